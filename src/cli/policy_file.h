/* Policies of the command line: files, evaluation, explanation. */
#ifndef CELLA_CLI_POLICY_FILE_H
#define CELLA_CLI_POLICY_FILE_H

#include <cella/policy.h>
#include <stdio.h>

/* Reads and compiles; - is standard input. Errors begin with the path. */
CELLA_RESULT cella_cli_policy_read(const char *path, struct cella_policy **out);
/* Which rule permitted, denied or did not fire and why, as lines for people. */
void cella_cli_policy_explain(FILE *to, const struct cella_policy_outcome *outcome);

#endif
