/* SEV-SNP under roots made here: what AMD would not sign, signed. Each guard alone is between the
 * forged evidence and acceptance (threats.md A03, A05 to A08, A15 to A20, A28). */
#include "snp_forge.h"

#include <cella/verify.h>
#include <stdlib.h>

#include "evidence/family.h"
#include "evidence/snp_claims.h"

enum { ROOT, AUTHORITY, VLEK_AUTHORITY, CHIP, OTHER, KEY_COUNT };

static EVP_PKEY *keys[KEY_COUNT];

static int make_keys(void **state) {
    (void)state;
    for (int i = 0; i < KEY_COUNT; i++) {
        bool rsa = i != CHIP && i != OTHER;
        keys[i] = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-384");
        if (!keys[i]) return -1;
    }
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    for (int i = 0; i < KEY_COUNT; i++) EVP_PKEY_free(keys[i]);
    return 0;
}

/* What a test changes before all is signed. */
struct scene {
    struct forge_certificate root, authority, leaf;
    EVP_PKEY *root_key, *leaf_key, *report_key;
    bool has_crl, two_crls;
    struct forge_crl crl[2];
    EVP_PKEY *crl_key;
    uint8_t report[1184];
    uint64_t now, grace_s;
    bool leave_authority_out;
    EVP_PKEY *false_root; /* also a root's certificate of that name, of this key, by itself */
    bool keep_built_in;   /* the makers' roots stay */
};

static const uint8_t milan_tcb[8] = {4, 0, 0, 0, 0, 0, 24, 219};
static const uint8_t turin_tcb[8] = {1, 2, 3, 4, 0, 0, 0, 81};

static void put(uint8_t *report, size_t at, const void *bytes, size_t size) {
    memcpy(report + at, bytes, size);
}

static struct scene scene_of(bool turin, bool vlek) {
    struct scene s = {
        .root = {.issuer = turin ? "ARK-Turin" : "ARK-Milan",
                 .serial = 0x10000,
                 .ca = true,
                 .path_length = -1},
        .authority = {.serial = 0x10001, .ca = true, .path_length = 0},
        .leaf = {.subject = vlek ? "SEV-VLEK" : "SEV-VCEK",
                 .vcek = !vlek,
                 .vlek = vlek,
                 .turin = turin,
                 .product = turin  ? "Turin"
                            : vlek ? "Milan"
                                   : "Milan-B0"},
        .root_key = keys[ROOT],
        .leaf_key = keys[CHIP],
        .report_key = keys[CHIP],
        .crl_key = keys[ROOT],
        .now = FORGE_NOW,
    };
    s.root.subject = s.authority.issuer = s.crl[0].issuer = s.crl[1].issuer = s.root.issuer;
    s.authority.subject = turin  ? vlek ? "SEV-VLEK-Turin" : "SEV-Turin"
                          : vlek ? "SEV-VLEK-Milan"
                                 : "SEV-Milan";
    s.leaf.issuer = s.authority.subject;
    struct forge_certificate *all[] = {&s.root, &s.authority, &s.leaf};
    for (size_t i = 0; i < 3; i++) {
        all[i]->from = FORGE_NOW - FORGE_DAY * (100 - 10 * (int)i);
        all[i]->to = FORGE_NOW + FORGE_DAY * (100 - 10 * (int)i);
    }
    for (size_t i = 0; i < 2; i++) {
        s.crl[i].from = FORGE_NOW - FORGE_DAY;
        s.crl[i].to = FORGE_NOW + FORGE_DAY;
    }
    const uint8_t *tcb = turin ? turin_tcb : milan_tcb;
    put(s.leaf.tcb, 0, tcb, 8);
    s.leaf.chip_size = vlek ? 0 : turin ? 8 : 64;
    for (size_t i = 0; i < s.leaf.chip_size; i++) s.leaf.chip[i] = (uint8_t)(0x80 + i);
    s.report[0] = 3;
    s.report[8 + 2] = 3; /* SMT and the bit that is one */
    s.report[0x34] = 1;
    s.report[0x48] = vlek ? 4 : 0;
    put(s.report, 0x38, tcb, 8);
    put(s.report, 0x180, tcb, 8);
    put(s.report, 0x188, turin ? "\x1a\x02\x01" : "\x19\x01\x01", 3);
    put(s.report, 0x1a0, s.leaf.chip, s.leaf.chip_size);
    put(s.report, 0x1e0, tcb, 8);
    put(s.report, 0x1f0, tcb, 8);
    return s;
}

static void add(struct cella_collateral *c, const char *name, const struct cella_buffer *content) {
    bool taken = false;
    OK(cella_collateral_add(c, name, cella_buffer_bytes(content), &taken));
}

static void play(struct scene *s, struct cella_verification *out) {
    CELLA_BUFFER root = {0};
    CELLA_BUFFER authority = {0};
    CELLA_BUFFER leaf = {0};
    CELLA_BUFFER crl = {0};
    struct cella_collateral *c;
    EVP_PKEY *authority_key = keys[s->leaf.vlek ? VLEK_AUTHORITY : AUTHORITY];
    forge_certificate(&s->root, s->root_key, s->root_key, &root);
    forge_certificate(&s->authority, authority_key, s->root_key, &authority);
    forge_certificate(&s->leaf, s->leaf_key, authority_key, &leaf);
    struct cella_bytes roots[1] = {cella_buffer_bytes(&root)};
    OK(cella_collateral_new(&c));
    if (!s->keep_built_in) OK(cella_collateral_set_roots(c, roots, 1));
    if (s->keep_built_in) add(c, "ark.der", &root);
    if (s->false_root) {
        forge_certificate(&s->root, s->false_root, s->false_root, &root);
        add(c, "three.der", &root);
    }
    add(c, "one.der", &leaf); /* before its authority: the order must not matter */
    if (!s->leave_authority_out) add(c, "two.der", &authority);
    for (int i = 0; s->has_crl && i < (s->two_crls ? 2 : 1); i++) {
        forge_crl(&s->crl[i], s->crl_key, &crl);
        add(c, "list.der", &crl);
    }
    OK(cella_collateral_finish(c));
    const struct cella_evidence_options options = {
        .type = CELLA_EVIDENCE_SNP, .time_unix = s->now, .grace_s = s->grace_s};
    OK(cella_verify(CELLA_BYTES_OF(s->report), c, &options, out));
    cella_collateral_free(&c);
}

static void accepted(struct scene *s) {
    CELLA_VERIFICATION out = {0};
    forge_sign(s->report, s->report_key);
    play(s, &out);
    if (out.verdict != CELLA_VERIFY_ACCEPTED)
        print_error("%s: %s: expected %s, found %s\n", out.reason.step, out.reason.field,
                    out.reason.expected, out.reason.found);
    assert_int_equal(out.verdict, CELLA_VERIFY_ACCEPTED);
    assert_true(out.authentic);
}

/* Refused, and for that field: another reason would mean that another guard was in the way. */
static void refused_unsigned(struct scene *s, const char *field) {
    CELLA_VERIFICATION out = {0};
    play(s, &out);
    assert_int_equal(out.verdict, CELLA_VERIFY_REFUSED);
    assert_false(out.authentic);
    assert_int_equal(cella_claimset_count(out.claims), 0);
    assert_string_equal(out.reason.field, field);
}

static void refused(struct scene *s, const char *field) {
    forge_sign(s->report, s->report_key);
    refused_unsigned(s, field);
}

static void good_scenes(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct scene s = scene_of(i & 1, i & 2);
        accepted(&s);
    }
}

/* A15: each component of the TCB, in the report and in the certificate. */
static void tcb_differs(void **state) {
    (void)state;
    static const char *const milan[8] = {"report.reported_tcb.bootloader",
                                         "report.reported_tcb.tee",
                                         "report.reported_tcb",
                                         "report.reported_tcb",
                                         "report.reported_tcb",
                                         "report.reported_tcb",
                                         "report.reported_tcb.snp",
                                         "report.reported_tcb.microcode"};
    static const char *const turin[8] = {
        "report.reported_tcb.fmc", "report.reported_tcb.bootloader",
        "report.reported_tcb.tee", "report.reported_tcb.snp",
        "report.reported_tcb",     "report.reported_tcb",
        "report.reported_tcb",     "report.reported_tcb.microcode"};
    for (int kind = 0; kind < 4; kind++)
        for (size_t i = 0; i < 8; i++) {
            const char *field = (kind & 1 ? turin : milan)[i];
            struct scene s = scene_of(kind & 1, kind & 2);
            s.report[0x180 + i] ^= 1;
            refused(&s, field);
            s = scene_of(kind & 1, kind & 2);
            s.leaf.tcb[i]++;
            refused(&s, field);
        }
}

/* A17: the other TCBs of a report are not the certificate's matter. */
static void other_tcbs(void **state) {
    (void)state;
    static const size_t at[] = {0x38, 0x1e0, 0x1f0};
    for (size_t i = 0; i < 3; i++) {
        struct scene s = scene_of(false, false);
        s.report[at[i] + 7]++;
        accepted(&s);
    }
}

/* A16: chip ids. */
static void chip_ids(void **state) {
    (void)state;
    struct scene s = scene_of(false, false);
    s.report[0x1a0 + 63] ^= 1;
    refused(&s, "report.chip_id");
    s = scene_of(true, false);
    s.report[0x1a0 + 7] ^= 1;
    refused(&s, "report.chip_id");
    s = scene_of(true, false);
    s.report[0x1a0 + 8] = 1; /* beyond the eight bytes that Turin has */
    refused(&s, "report.chip_id");
    s = scene_of(false, false);
    s.leaf.chip_size = 8; /* eight bytes are not Milan's */
    refused(&s, "certificate");
    s = scene_of(true, false);
    s.leaf.chip_size = 64;
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.leaf.chip_size = 0;
    refused(&s, "certificate");
    s = scene_of(false, true);
    s.leaf.chip_size = 64; /* a VLEK is of no chip */
    refused(&s, "certificate");
}

static void masked_chip(void **state) {
    (void)state;
    CELLA_VERIFICATION out = {0};
    struct scene s = scene_of(false, false);
    memset(s.report + 0x1a0, 0, 64);
    forge_sign(s.report, keys[CHIP]);
    play(&s, &out);
    assert_int_equal(out.verdict, CELLA_VERIFY_ACCEPTED);
    assert_null(cella_claimset_find(out.claims, "platform-id"));
    assert_int_equal(cella_claimset_find(out.claims, "snp.chip-id-masked")->number, 1);
}

/* A18: who the report says has signed, against who did. */
static void signers(void **state) {
    (void)state;
    struct scene s = scene_of(false, false);
    s.report[0x48] = 4; /* VLEK, but there is a VCEK */
    refused(&s, "vlek");
    s = scene_of(false, true);
    s.report[0x48] = 0;
    refused(&s, "vcek");
    static const uint8_t none[] = {2, 3, 4, 5, 6, 7};
    for (size_t i = 0; i < sizeof(none); i++) {
        s = scene_of(false, false);
        s.report[0x48] = (uint8_t)(none[i] << 2);
        refused(&s, "report.signing_key");
    }
    s = scene_of(false, false);
    s.report[0x48] = 2; /* the chip's key is masked */
    refused(&s, "report.mask_chip_key");
    s = scene_of(false, true);
    s.report[0x48] = 6; /* masked, but a VLEK signed */
    accepted(&s);
    s = scene_of(false, false);
    s.report_key = keys[OTHER];
    refused(&s, "report.signature");
    s = scene_of(false, false);
    s.report[0x34] = 2;
    refused(&s, "report.signature_algo");
}

/* A18, A20: spellings of the signature. */
static void signature_forms(void **state) {
    (void)state;
    struct scene s = scene_of(false, false);
    forge_sign(s.report, keys[CHIP]);
    struct scene t = s;
    t.report[0x2a0 + 48] = 1;
    refused_unsigned(&t, "report.signature.r");
    t = s;
    t.report[0x2a0 + 72 + 71] = 0x80;
    refused_unsigned(&t, "report.signature.s");
    t = s;
    t.report[1183] = 1;
    refused_unsigned(&t, "report.signature.reserved");
    for (int half = 0; half < 2; half++) {
        t = s;
        memset(t.report + 0x2a0 + 72 * half, 0, 72); /* r or s of 0 */
        refused_unsigned(&t, "report.signature");
        t = s;
        memset(t.report + 0x2a0 + 72 * half, 0xff, 48); /* of n and more */
        refused_unsigned(&t, "report.signature");
    }
}

/* A19: versions and what each leaves at zero. */
static void versions(void **state) {
    (void)state;
    static const uint8_t unknown[] = {0, 1, 6, 7, 255};
    for (size_t i = 0; i < sizeof(unknown); i++) {
        struct scene s = scene_of(false, false);
        s.report[0] = unknown[i];
        refused(&s, "report.version");
    }
    struct scene s = scene_of(false, false);
    s.report[1] = 1;
    refused(&s, "report.version");
    s = scene_of(false, false);
    s.report[0] = 2; /* version 2 has no CPUID */
    refused(&s, "report.reserved 0x188");
    memset(s.report + 0x188, 0, 3);
    accepted(&s);
    s = scene_of(false, false);
    s.report[0x1f8] = 1; /* version 3 has no mitigations */
    refused(&s, "report.reserved 0x1f8");
    s.report[0] = 5;
    accepted(&s);
    static const size_t reserved[] = {0x4c, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x208, 0x29f};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        CELLA_VERIFICATION out = {0};
        s = scene_of(false, false);
        s.report[0] = 5;
        s.report[reserved[i]] = 1;
        forge_sign(s.report, keys[CHIP]);
        play(&s, &out);
        assert_int_equal(out.verdict, CELLA_VERIFY_REFUSED);
        assert_memory_equal(out.reason.field, "report.reserved", 15);
    }
    s = scene_of(false, false);
    s.report[0x49] = 1; /* key info */
    refused(&s, "report.key_info");
    s = scene_of(false, false);
    s.report[8 + 2] = 1;
    refused(&s, "report.policy");
    s = scene_of(false, false);
    s.report[8 + 7] = 1;
    refused(&s, "report.policy");
    s = scene_of(false, false);
    s.report[0x30] = 4;
    refused(&s, "report.vmpl");
}

/* A07, A15: the processor's line, the certificate's, and its product. */
static void lines(void **state) {
    (void)state;
    struct scene s = scene_of(false, false);
    s.report[0x189] = 0x11; /* Genoa */
    refused(&s, "report.cpuid");
    s = scene_of(false, false);
    put(s.report, 0x188, "\x1a\x50", 2); /* a line that is not known */
    refused(&s, "report.cpuid");
    static const char *const products[] = {"Genoa", "Turin", "Milan2", "milan", "Mila", " Milan"};
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        s = scene_of(false, false);
        s.leaf.product = products[i];
        refused(&s, "certificate");
    }
    s = scene_of(false, false);
    s.leaf.version = 1; /* Turin's, and read the same */
    accepted(&s);
    s.leaf.version = 2; /* A19 */
    refused(&s, "certificate");
    for (int vlek = 0; vlek < 2; vlek++) {
        s = scene_of(false, vlek);
        s.leaf.other_provider = true;
        refused(&s, "certificate");
    }
    static const int arcs[] = {1, 2, 3, 4, 7, 8};
    for (size_t i = 0; i < sizeof(arcs) / sizeof(arcs[0]); i++) {
        s = scene_of(false, false);
        s.leaf.missing = arcs[i];
        refused(&s, "certificate");
    }
}

/* A07: roles. A chain of the right keys in the wrong places. */
static void roles(void **state) {
    (void)state;
    struct scene s = scene_of(false, false);
    s.authority.ca = false;
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.authority.path_length = 1;
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.authority.critical = true;
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.leaf.critical = true;
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.leaf.ca = true;
    s.leaf.path_length = -1;
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.leaf.md = EVP_sha256(); /* A28 */
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.authority.md = EVP_sha512();
    refused(&s, "certificate");
    s = scene_of(false, false);
    s.leave_authority_out = true;
    refused(&s, "vcek.signature");
    s = scene_of(false, false);
    s.leaf_key = keys[OTHER]; /* a certificate for another key */
    refused(&s, "report.signature");
    s = scene_of(false, true); /* ASVK's names, but it signs a VCEK */
    s.leaf.subject = "SEV-VCEK";
    s.report[0x48] = 0;
    refused(&s, "vcek");
}

/* A08: a root of AMD's name that somebody made. */
static void made_root(void **state) {
    (void)state;
    struct scene s = scene_of(false, false);
    s.keep_built_in = true;
    refused(&s, "ask.signature");
    s = scene_of(true, true);
    s.keep_built_in = true;
    refused(&s, "asvk.signature");
    s = scene_of(false, false);
    s.keep_built_in = true;
    s.leave_authority_out = true;
    refused(&s, "vcek.signature");
    s = scene_of(false, false); /* what is given is used or refused, not passed over */
    s.false_root = keys[VLEK_AUTHORITY];
    refused(&s, "ark");
    s = scene_of(false, false); /* the root of one line vouches for no other */
    s.root.issuer = s.root.subject = "ARK-Turin";
    refused(&s, "ask.signature");
}

/* A05: every certificate's validity counts, to the second. */
static void windows(void **state) {
    (void)state;
    struct scene s = scene_of(false, false);
    uint64_t ends[6] = {(uint64_t)s.leaf.from, (uint64_t)s.leaf.to};
    s.now = ends[0];
    accepted(&s);
    s.now = ends[1];
    accepted(&s);
    s.now = ends[0] - 1;
    refused(&s, "vcek.validity");
    s.now = ends[1] + 1;
    refused(&s, "vcek.validity");
    s = scene_of(false, false);
    s.authority.to = FORGE_NOW - 1;
    refused(&s, "authority.validity");
    s = scene_of(false, false);
    s.authority.from = FORGE_NOW + 1;
    refused(&s, "authority.validity");
    s = scene_of(false, false);
    s.root.to = FORGE_NOW - 1;
    refused(&s, "ark.validity");
}

/* A06: revocation lists. */
static void revocation(void **state) {
    (void)state;
    CELLA_VERIFICATION out = {0};
    struct scene s = scene_of(false, false);
    s.has_crl = true;
    s.crl[0].revoked = 0x777;
    forge_sign(s.report, keys[CHIP]);
    play(&s, &out);
    assert_int_equal(out.verdict, CELLA_VERIFY_ACCEPTED);
    assert_int_equal(cella_claimset_find(out.claims, "snp.crl-checked")->number, 1);
    s.crl[0].revoked = s.authority.serial;
    refused(&s, "revoked");
    s.crl[0].revoked = s.root.serial;
    refused(&s, "revoked");
    s.crl[0].revoked = 0;
    s.crl_key = keys[AUTHORITY]; /* not the root's */
    refused(&s, "crl.signature");
    s = scene_of(false, false);
    s.has_crl = true;
    s.crl[0].to = FORGE_NOW - 10;
    refused(&s, "crl.nextUpdate");
    s.grace_s = 9;
    refused(&s, "crl.nextUpdate");
    s.grace_s = 10;
    accepted(&s);
    s.crl[0].from = FORGE_NOW + 1;
    s.crl[0].to = FORGE_NOW + 2;
    refused(&s, "crl.nextUpdate");
    s.two_crls = true; /* an old list beside a new one */
    accepted(&s);
    s.crl[0].revoked = s.authority.serial; /* which revoked it: once is for good */
    refused(&s, "revoked");
}

/* A stale list that was accepted shows in the claims. */
static void stale(void **state) {
    (void)state;
    CELLA_VERIFICATION out = {0};
    struct scene s = scene_of(false, false);
    s.has_crl = true;
    s.crl[0].to = FORGE_NOW - 10;
    s.grace_s = 60;
    forge_sign(s.report, keys[CHIP]);
    play(&s, &out);
    assert_int_equal(out.verdict, CELLA_VERIFY_ACCEPTED);
    assert_int_equal(cella_claimset_find(out.claims, "collateral-stale")->number, 1);
}

/* A03, A17: what the owner and the host chose is claimed, each bit under its name. */
static void claims(void **state) {
    (void)state;
    static const struct {
        unsigned bit;
        const char *claim;
    } bits[] = {{16, "snp.policy.smt"},
                {18, "snp.policy.migrate-ma"},
                {19, "debug"},
                {19, "snp.policy.debug"},
                {20, "snp.policy.single-socket"},
                {21, "snp.policy.cxl-allow"},
                {22, "snp.policy.mem-aes-256-xts"},
                {23, "snp.policy.rapl-disabled"},
                {24, "snp.policy.ciphertext-hiding"},
                {25, "snp.policy.page-swap-disabled"}};
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        for (unsigned set = 0; set < 2; set++) {
            CELLA_VERIFICATION out = {0};
            struct scene s = scene_of(false, false);
            s.report[8 + 2] = 2;
            s.report[8 + bits[i].bit / 8] |= (uint8_t)(set << bits[i].bit % 8);
            forge_sign(s.report, keys[CHIP]);
            play(&s, &out);
            assert_int_equal(out.verdict, CELLA_VERIFY_ACCEPTED);
            assert_int_equal(cella_claimset_find(out.claims, bits[i].claim)->number, set);
        }
    CELLA_VERIFICATION out = {0};
    struct scene s = scene_of(false, false);
    memset(s.report + 0x30, 0xff, 4); /* the host asked */
    forge_sign(s.report, keys[CHIP]);
    play(&s, &out);
    assert_int_equal(cella_claimset_find(out.claims, "snp.host-requested")->number, 1);
    s.report[0x50] = 1; /* A13 */
    refused(&s, "report.report_data");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_scenes),     cmocka_unit_test(tcb_differs),
        cmocka_unit_test(other_tcbs),      cmocka_unit_test(chip_ids),
        cmocka_unit_test(masked_chip),     cmocka_unit_test(signers),
        cmocka_unit_test(signature_forms), cmocka_unit_test(versions),
        cmocka_unit_test(lines),           cmocka_unit_test(roles),
        cmocka_unit_test(made_root),       cmocka_unit_test(windows),
        cmocka_unit_test(revocation),      cmocka_unit_test(stale),
        cmocka_unit_test(claims),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
