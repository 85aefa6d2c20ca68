/* The sub-commands, in the order help shows them: COMMAND(name of the C function, word typed, summary) */
COMMAND(explain, "explain", "say more about an error code")
