/* Pins files of trusted mounts: finds them, hashes their chunks, puts them into the configuration.
 */
#ifndef CELLA_IMAGE_TRUSTED_H
#define CELLA_IMAGE_TRUSTED_H

#include <cella/result.h>

#include "image/manifest.h"

/* For each trusted mount: the files that its patterns match below its host folder (itself relative
 * to folder, the manifest's), in byte order of their names, so that two machines get the same list.
 * A matched folder means all files below it. Refuses patterns that match nothing, symbolic links
 * and special files. */
CELLA_RESULT cella_trusted_pin(struct cella_manifest *manifest, const char *folder);

#endif
