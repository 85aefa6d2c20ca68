/* The data folder: one server at a time, and a first start that is whole or not at all. */
#ifndef CELLA_SERVICE_FOLDER_H
#define CELLA_SERVICE_FOLDER_H

#include <cella/result.h>
#include <stdbool.h>

enum { CELLA_SERVICE_PATH = 4096 };

/* Makes the folder (0700) when it is not there, and locks it until the descriptor is closed; *path
 * is its absolute path. CELLA_ERR_EXISTS: another server has it. */
CELLA_RESULT cella_service_folder_open(const char *data, char path[CELLA_SERVICE_PATH], int *lock);

/* Everything that a first start makes, in the folder given (empty, 0700); as it will be found in
 * final. */
typedef struct cella_result cella_service_maker(const char *folder, const char *final,
                                                void *context);
/* When there is no cella.conf yet: the maker's files, made in DATA/.first and moved with cella.conf
 * last, so that a start after a crash finishes what was whole and makes anew what was not. Other
 * files in the way are an error. *made: whether this was a first start. */
CELLA_RESULT cella_service_folder_make(const char *path, cella_service_maker *maker, void *context,
                                       bool *made);

#endif
