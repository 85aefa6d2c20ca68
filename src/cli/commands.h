/* The sub-commands, in the order help shows them: COMMAND(name of the C function, word typed, summary) */
COMMAND(keygen, "keygen", "make a signing key or a data key")
COMMAND(sign, "sign", "make and sign the image of a program")
COMMAND(verify, "verify", "check evidence or a key request, with a verdict")
COMMAND(grant, "grant", "give a key to an enclave whose request passes")
COMMAND(seal, "seal", "encrypt a file for an enclave's protected mount")
COMMAND(unseal, "unseal", "decrypt a protected file")
COMMAND(explain, "explain", "say more about an error code")
