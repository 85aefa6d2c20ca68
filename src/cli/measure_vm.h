/* `cella measure snp` and `cella measure tdx`: what a confidential VM's launch will measure. */
#ifndef CELLA_CLI_MEASURE_VM_H
#define CELLA_CLI_MEASURE_VM_H

#include <cella/result.h>

extern const char cella_help_measure_vm[];
/* argv[0] is "snp" or "tdx". */
CELLA_RESULT cella_cli_measure_snp(int argc, char **argv);
CELLA_RESULT cella_cli_measure_tdx(int argc, char **argv);

#endif
