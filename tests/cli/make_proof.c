/* For proof_test.sh: a platform of the test's own. make_proof FOLDER writes trust.der, other.der (a
 * stranger's key), evidence, debug-evidence and request (asking for the keys "a" and "result") into
 * FOLDER. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "crypto/digest.h"
#include "crypto/hpke.h"
#include "evidence/keygrant.h"
#include "evidence/software.h"

static void must(struct cella_result r) {
    if (!cella_failed(r)) return;
    cella_result_print(r);
    exit(1);
}

static void put(const char *folder, const char *name, struct cella_bytes bytes) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    must(cella_file_write(path, bytes, 0644, 0));
}

static void put_key(const char *folder, const char *name, const struct cella_key *key) {
    CELLA_BUFFER spki = {0};
    must(cella_key_spki(key, &spki));
    put(folder, name, cella_buffer_bytes(&spki));
}

static void make_evidence(struct cella_software_signer *signer,
                          const struct cella_software_claims *claims, struct cella_buffer *out) {
    out->size = 0;
    must(cella_software_evidence(signer, claims, out));
}

static void make_request(const char *folder, struct cella_software_signer *signer,
                         struct cella_software_claims *claims) {
    CELLA_BUFFER evidence = {0};
    CELLA_BUFFER labeled = {0};
    CELLA_SECRET private = {0};
    uint8_t space[256], public[32], nonce[32];
    must(cella_x25519_new(&private, public));
    must(cella_random(nonce, sizeof(nonce)));
    struct cella_writer w = cella_writer(space, sizeof(space));
    cella_writer_put(&w, cella_bytes_text(CELLA_KEY_REQUEST_MAGIC));
    cella_writer_u32le(&w, CELLA_KEY_VERSION);
    cella_writer_u32le(&w, 2);
    cella_writer_put(&w, CELLA_BYTES_OF(public));
    cella_writer_put(&w, CELLA_BYTES_OF(nonce));
    cella_writer_u16le(&w, 1);
    cella_writer_put(&w, cella_bytes_text("a"));
    cella_writer_u16le(&w, 6);
    cella_writer_put(&w, cella_bytes_text("result"));
    must(cella_buffer_append(&labeled, cella_bytes(CELLA_KEY_REQUEST_LABEL,
                                                   sizeof(CELLA_KEY_REQUEST_LABEL))));
    must(cella_buffer_append(&labeled, cella_writer_bytes(&w)));
    must(cella_sha512(cella_buffer_bytes(&labeled), claims->report_data));
    make_evidence(signer, claims, &evidence);
    cella_writer_u32le(&w, (uint32_t)evidence.size);
    CELLA_BUFFER request = {0};
    must(cella_buffer_append(&request, cella_writer_bytes(&w)));
    must(cella_buffer_append(&request, cella_buffer_bytes(&evidence)));
    put(folder, "request", cella_buffer_bytes(&request));
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    CELLA_KEY key = NULL;
    CELLA_KEY other = NULL;
    CELLA_BUFFER evidence = {0};
    struct cella_software_signer *signer = NULL;
    static struct cella_software_claims claims;
    must(cella_key_new_p256(&key));
    must(cella_key_new_p256(&other));
    must(cella_software_signer_new(key, CELLA_ROOT_FILE, cella_bytes(NULL, 0), &signer));
    memset(claims.identity.mrenclave, 0x11, 32);
    memset(claims.identity.mrsigner, 0x22, 32);
    claims.identity.product_id = 7;
    claims.identity.svn = 3;
    claims.identity.attributes = 5;
    claims.report_data[0] = 0xab;
    claims.report_data[7] = 0xcd; /* a nonce of eight bytes */
    claims.issued_unix = (uint64_t)time(NULL);
    claims.assurance = CELLA_ASSURANCE_S1;
    claims.memory_secret = true;
    snprintf(claims.platform_version, sizeof(claims.platform_version), "test");
    put_key(argv[1], "trust.der", key);
    put_key(argv[1], "other.der", other);
    make_evidence(signer, &claims, &evidence);
    put(argv[1], "evidence", cella_buffer_bytes(&evidence));
    claims.identity.debug = true;
    claims.identity.attributes |= 2;
    make_evidence(signer, &claims, &evidence);
    put(argv[1], "debug-evidence", cella_buffer_bytes(&evidence));
    claims.identity.debug = false;
    claims.identity.attributes = 5;
    make_request(argv[1], signer, &claims);
    cella_software_signer_free(&signer);
    return 0;
}
