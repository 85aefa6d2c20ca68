/* The sub-commands, in the order help shows them: COMMAND(name of the C function, word typed, summary) */
COMMAND(keygen, "keygen", "make a signing key or a data key")
COMMAND(sign, "sign", "make and sign the image of a program")
COMMAND(explain, "explain", "say more about an error code")
