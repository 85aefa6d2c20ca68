/* Values of settings: each function takes one text and says what was expected instead. For the
 * files of the configuration. */
#ifndef CELLA_SERVICE_CONFIG_VALUE_H
#define CELLA_SERVICE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* An origin, https://HOST[:PORT], in lower case, as it will stand in tokens. */
bool cella_conf_url(const char *text);
/* "127.0.0.1:8443" or "[::1]:8443". */
bool cella_conf_listen(const char *text);
/* Of numeric addresses: whether only this machine reaches it. */
bool cella_conf_loopback(const char *listen);
bool cella_conf_guid(const char *text); /* in lower case */
bool cella_conf_name(const char *text); /* of an instance: [0-9a-z-], 1 to 63, no - at the ends */
bool cella_conf_source(const char *text);

#endif
