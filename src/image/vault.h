/* Keys that come from a vault: the settings of the manifest become those of the fetching program
 * (fetch/settings.h), which is put into the image as its last. */
#ifndef CELLA_IMAGE_VAULT_H
#define CELLA_IMAGE_VAULT_H

#include <cella/result.h>

#include "image/manifest.h"

#define CELLA_FETCH_PATH "/cella/fetch" /* the program's name inside */

/* Where the manifest has keys of a vault: reads the authorities' file (relative to folder, the
 * manifest's) and adds the program. *fetches: it did, and the caller gives its ELF to the layout.
 */
CELLA_RESULT cella_vault_pin(struct cella_manifest *manifest, const char *folder, bool *fetches);

#endif
