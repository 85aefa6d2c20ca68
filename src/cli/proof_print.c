#include <jansson.h>
#include <string.h>

#include "cli/proof.h"
#include "evidence/claims.h"

static bool accepted(const struct cella_cli_proof *proof) {
    return proof->verification.verdict == CELLA_VERIFY_ACCEPTED;
}

static int depth_of(const struct cella_verification *v, int32_t index) {
    int depth = 0; /* parents always stand before their children, so this ends */
    for (int32_t at = v->link[index].parent; at >= 0; at = v->link[at].parent) depth++;
    return depth;
}

/* A link and all below it, parents first. */
static void print_link(FILE *to, const struct cella_verification *v, int32_t index) {
    const struct cella_link *link = &v->link[index];
    fprintf(to, "  %-3s%*s%s %s%s%s\n", link->held ? "ok" : "NO", 2 * depth_of(v, index), "",
            link->what, link->name, link->detail[0] ? ": " : "", link->detail);
    for (int32_t i = index + 1; i < (int32_t)v->link_count; i++)
        if (v->link[i].parent == index) print_link(to, v, i);
}

static void print_links(FILE *to, const struct cella_cli_proof *proof) {
    const struct cella_verification *v = &proof->verification;
    fprintf(to, "chain of trust, %s\n", cella_evidence_type_name(v->type));
    for (int32_t i = 0; i < (int32_t)v->link_count; i++)
        if (v->link[i].parent < 0) print_link(to, v, i);
}

static void print_request(FILE *to, const struct cella_cli_proof *proof) {
    if (!proof->is_request || !accepted(proof)) return;
    fprintf(to, "key request\n  its key, nonce and names are bound by the evidence\n  asks for");
    for (uint32_t i = 0; i < proof->request.key_count; i++)
        fprintf(to, " %.*s", (int)proof->request.key[i].size,
                (const char *)proof->request.key[i].data);
    fprintf(to, "\n");
}

static void print_checks(FILE *to, const struct cella_cli_proof *proof) {
    if (proof->appraisal.count == 0) return;
    fprintf(to, "checks\n");
    for (uint32_t i = 0; i < proof->appraisal.count; i++) {
        const struct cella_check *c = &proof->appraisal.check[i];
        fprintf(to, "  %-3s%-13s expected %s, found %s\n", c->held ? "ok" : "NO", c->claim,
                c->expected, c->found);
    }
}

static void print_age(FILE *to, const struct cella_cli_proof *proof) {
    const struct cella_claim *issued = cella_claimset_find(proof->verification.claims, "issued");
    if (!issued) return;
    long long age = (long long)proof->time_unix - (long long)issued->number;
    if (proof->max_age_s)
        fprintf(to, "age %lld s, at most %llu s wanted\n", age,
                (unsigned long long)proof->max_age_s);
    else
        fprintf(to, "age %lld s, not limited (--max-age)\n", age);
}

static void print_notes(FILE *to, const struct cella_cli_proof *proof) {
    const struct cella_expect *e = &proof->expect;
    const struct cella_claimset *claims = proof->verification.claims;
    const struct cella_claim *level = cella_claimset_find(claims, "assurance");
    if (proof->verification.type == CELLA_EVIDENCE_SOFTWARE && level && level->bytes.size == 2)
        fprintf(to, "note: this is software evidence of level %.2s%s: %s\n",
                (const char *)level->bytes.data,
                level->bytes.data[1] < '3' ? ", not confidential computing" : "",
                cella_assurance_gap((uint32_t)(level->bytes.data[1] - '0')));
    bool measurement = cella_expects(e, "measurement"), signer = cella_expects(e, "signer");
    if (!measurement && !signer)
        fprintf(to,
                "note: no --measurement or --signer was asked for, so any program there passes\n");
    if (signer && !measurement && !cella_expects(e, "product-id"))
        fprintf(to, "note: --signer without --product-id takes every program of that signer\n");
    if (!proof->is_request && !cella_expects(e, "report-data"))
        fprintf(to, "note: no --nonce or --report-data was asked for, so this may be old evidence, "
                    "or meant for another\n");
}

static void print_verdict(FILE *to, const struct cella_cli_proof *proof) {
    const struct cella_verification *v = &proof->verification;
    if (v->tcb_status[0]) fprintf(to, "tcb status: %s\n", v->tcb_status);
    if (accepted(proof)) {
        fprintf(to, "verdict: accepted\n");
        return;
    }
    fprintf(to, "verdict: refused%s\n  %s: %s\n  expected  %s\n  found     %s\n",
            v->authentic ? ", though authentic" : "", v->reason.step, v->reason.field,
            v->reason.expected, v->reason.found);
    if (v->reason.remedy[0]) fprintf(to, "  to do     %s\n", v->reason.remedy);
}

void cella_cli_proof_print(FILE *to, const struct cella_cli_proof *proof) {
    if (proof->verification.link_count) print_links(to, proof);
    if (proof->verification.authentic) {
        print_age(to, proof);
        print_request(to, proof);
        cella_claimset_print(to, proof->verification.claims);
        print_checks(to, proof);
        print_notes(to, proof);
    }
    print_verdict(to, proof);
}

void cella_cli_proof_explain(FILE *to, const struct cella_cli_proof *proof) {
    print_links(to, proof);
    print_checks(to, proof);
    cella_cli_policies_explain(to, &proof->policies);
    print_verdict(to, proof);
}

/* --- A graph --- */

static void dot_text(FILE *to, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        fputc(*text, to);
    }
}

void cella_cli_proof_dot(FILE *to, const struct cella_cli_proof *proof) {
    const struct cella_verification *v = &proof->verification;
    fprintf(to, "digraph trust {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (uint32_t i = 0; i < v->link_count; i++) {
        const struct cella_link *link = &v->link[i];
        fprintf(to, "  n%u [color=%s, label=\"", i, link->held ? "black" : "red");
        dot_text(to, link->what);
        fputs("\\n", to);
        dot_text(to, link->name);
        fputs("\\n", to);
        dot_text(to, link->detail);
        fputs("\"];\n", to);
        if (link->parent >= 0) fprintf(to, "  n%d -> n%u;\n", link->parent, i);
    }
    fprintf(to, "  verdict [shape=ellipse, label=\"%s\"];\n",
            accepted(proof) ? "accepted" : "refused");
    if (v->link_count) fprintf(to, "  n%u -> verdict;\n", v->link_count - 1);
    fprintf(to, "}\n");
}

/* --- JSON --- */

static int set_text(json_t *to, const char *name, const char *text) {
    json_t *value = text[0] ? json_string(text) : json_null();
    if (!value) value = json_string("(not UTF-8)");
    return json_object_set_new(to, name, value);
}

static int fill_reason(json_t *to, const struct cella_reason *reason) {
    json_t *out = json_object();
    int bad = set_text(out, "step", reason->step) | set_text(out, "field", reason->field);
    bad |= set_text(out, "expected", reason->expected) | set_text(out, "found", reason->found);
    bad |= set_text(out, "remedy", reason->remedy);
    return bad | json_object_set_new(to, "reason", out);
}

/* The claims advisories once more, where scripts look for them. */
static int fill_advisories(json_t *to, const json_t *claims) {
    json_t *advisories = json_object_get(claims, "advisories");
    return json_is_array(advisories) ? json_object_set(to, "advisories", advisories)
                                     : json_object_set_new(to, "advisories", json_array());
}

static int fill_keys(json_t *to, const struct cella_cli_proof *proof) {
    if (!proof->is_request || !accepted(proof)) return 0;
    json_t *keys = json_array();
    int bad = json_object_set_new(to, "keys", keys);
    for (uint32_t i = 0; i < proof->request.key_count; i++)
        bad |= json_array_append_new(keys, json_stringn((const char *)proof->request.key[i].data,
                                                        proof->request.key[i].size));
    return bad;
}

static int fill(json_t *to, const struct cella_cli_proof *proof) {
    const struct cella_verification *v = &proof->verification;
    json_t *claims = cella_claimset_json(v->claims);
    int bad = claims ? 0 : -1;
    bad |= set_text(to, "type", cella_evidence_type_name(v->type));
    bad |= json_object_set_new(to, "authentic", json_boolean(v->authentic));
    bad |= set_text(to, "verdict", accepted(proof) ? "accepted" : "refused");
    bad |= accepted(proof) ? json_object_set_new(to, "reason", json_null())
                           : fill_reason(to, &v->reason);
    bad |= set_text(to, "tcb_status", v->tcb_status);
    bad |= fill_advisories(to, claims) | fill_keys(to, proof);
    json_t *policies = cella_cli_policies_json(&proof->policies);
    if (policies) bad |= json_object_set_new(to, "policies", policies);
    return bad | json_object_set_new(to, "claims", claims);
}

CELLA_RESULT cella_cli_proof_json(FILE *to, const struct cella_cli_proof *proof) {
    json_t *out = json_object();
    int bad = fill(out, proof);
    if (bad == 0) bad = json_dumpf(out, to, JSON_INDENT(2)) | (fputc('\n', to) == EOF);
    json_decref(out);
    ENSURE(bad == 0, CELLA_ERR_MEMORY, NULL, "cannot print JSON");
    return CELLA_SUCCESS;
}
