#include "image/manifest_value.h"

#include <signal.h>
#include <string.h>

#include "abi/config.h"
#include "base/text.h"

bool cella_value_number(const char *text, uint64_t max, uint64_t *out) {
    uint64_t v = 0;
    if (*text == '\0' || (text[0] == '0' && text[1] != '\0')) return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (v > (UINT64_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return *text == '\0' && v <= max;
}

bool cella_value_size(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    char digits[24];
    size_t size = strlen(text);
    unsigned shift = 0;
    if (size == 0 || size >= sizeof(digits)) return false;
    memcpy(digits, text, size + 1);
    switch (digits[size - 1]) {
    case 'K': shift = 10; break;
    case 'M': shift = 20; break;
    case 'G': shift = 30; break;
    default: break;
    }
    if (shift) digits[size - 1] = '\0';
    uint64_t v;
    if (!cella_value_number(digits, UINT64_MAX >> 30, &v)) return false;
    *out = v << shift;
    return *out >= min && *out <= max;
}

bool cella_value_bool(const char *text, bool *out) {
    *out = strcmp(text, "yes") == 0;
    return *out || strcmp(text, "no") == 0;
}

bool cella_value_config_id(const char *text, uint8_t out[64]) {
    size_t size = strlen(text);
    memset(out, 0, 64);
    if (size < 2 || size > 128 || size % 2 != 0) return false;
    struct cella_result r = cella_hex_decode(cella_bytes(text, size), out, size / 2);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

bool cella_value_date(const char *text, uint32_t *out) {
    static const unsigned days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t bcd = 0;
    if (strlen(text) != 10) return false;
    for (int i = 0; i < 10; i++) {
        if (i == 4 || i == 7) {
            if (text[i] != '-') return false;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') return false;
        bcd = bcd << 4 | (uint32_t)(text[i] - '0');
    }
    unsigned month = (bcd >> 12 & 0xf) * 10 + (bcd >> 8 & 0xf),
             day = (bcd >> 4 & 0xf) * 10 + (bcd & 0xf);
    *out = bcd;
    return bcd >= 0x19800101 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

bool cella_value_signals(const char *text, uint64_t *out) {
    /* KILL and STOP cannot be held back anyway; the faults (SEGV ...) are the shim's, never a
     * host's word (R12). */
    static const struct {
        const char *name;
        int number;
    } names[] = {
        {"HUP", SIGHUP},   {"INT", SIGINT},     {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},
        {"USR2", SIGUSR2}, {"ALRM", SIGALRM},   {"TERM", SIGTERM}, {"CONT", SIGCONT},
        {"TSTP", SIGTSTP}, {"WINCH", SIGWINCH},
    };
    *out = 0;
    while (*text) {
        size_t size = strcspn(text, " \t");
        bool found = false;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strlen(names[i].name) != size || strncmp(names[i].name, text, size) != 0) continue;
            *out |= 1ULL << (names[i].number - 1);
            found = true;
        }
        if (!found) return false;
        text += size;
        text += strspn(text, " \t");
    }
    return *out != 0;
}

bool cella_value_path(const char *text, bool absolute) {
    if (strlen(text) > CELLA_CONFIG_PATH_MAX || (*text == '/') != absolute) return false;
    if (absolute && *++text == '\0') return true;
    for (;;) {
        size_t size = strcspn(text, "/");
        if (size == 0 || (size == 1 && text[0] == '.') ||
            (size == 2 && text[0] == '.' && text[1] == '.'))
            return false;
        if (text[size] == '\0') return true;
        text += size + 1;
    }
}

bool cella_value_key_name(const char *text) {
    size_t size = strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-");
    return size >= 1 && size <= CELLA_CONFIG_NAME_MAX && text[size] == '\0';
}
