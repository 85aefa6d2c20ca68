// What @azure/attestation has no call for: SEV-SNP, TDX and guests, as a client without an SDK asks, with jose for the tokens.
"use strict";
const { assert, env, test, jose, vector, recorded, b64u, pem, verify, post } = require("./harness.js");

async function attested(url, type, body) {
    const { status, body: answer } = await post(url, type, body);
    assert.equal(status, 200, JSON.stringify(answer));
    return (await verify(url, answer.token)).payload;
}
async function refused(url, type, body, words) {
    const { status, body: answer } = await post(url, type, body);
    assert.equal(status, 400, JSON.stringify(answer));
    assert.match(answer.error.message, words);
}

// --- SEV-SNP ---

const SNP = "snp-report/v3-milan-vcek-confidential-sidecar-49d19193";
const chain = [SNP + "/vcek.der", "snp-certs/milan/ask.der", "snp-certs/milan/ark.der"];
function snpBody(report, more) {
    const certificates = chain.map((name) => pem("CERTIFICATE", vector(name).toString("base64"))).join("");
    return { report: b64u(JSON.stringify({ SnpReport: b64u(report), VcekCertChain: b64u(certificates), Endorsements: "" })), ...more };
}
recorded("SevSnpVm", [SNP + "/report.bin", ...chain], async () => {
    const report = vector(SNP + "/report.bin");
    const claims = await attested(env.ATTESTATION_AAD_URL, "SevSnpVm", snpBody(report, { nonce: "n" }));
    assert.equal(claims["x-ms-attestation-type"], "sevsnpvm");
    assert.equal(claims["x-ms-sevsnpvm-launchmeasurement"], report.subarray(0x90, 0xc0).toString("hex"));
    assert.equal(claims["x-ms-sevsnpvm-reportdata"], report.subarray(0x50, 0x90).toString("hex"));
    assert.equal(claims["x-ms-sevsnpvm-hostdata"], report.subarray(0xc0, 0xe0).toString("hex"));
    assert.equal(claims["x-ms-sevsnpvm-guestsvn"], report.readUInt32LE(4));
    assert.equal(claims["x-ms-sevsnpvm-vmpl"], report.readUInt32LE(0x30));
    assert.equal(claims["x-ms-sevsnpvm-is-debuggable"], (report[0x0a] & 8) !== 0);
    assert.equal(claims.nonce, "n");
    const changed = Buffer.from(report);
    changed[0x90] ^= 1;
    await refused(env.ATTESTATION_AAD_URL, "SevSnpVm", snpBody(changed), /signature/);
    await refused(env.ATTESTATION_AAD_URL, "SevSnpVm", snpBody(report, { runtimeData: { data: b64u("x"), dataType: "Binary" } }),
        /runtimeData|report data/i);
});
const AZURE = "maa-jwt/sev-snp-sample/token.jwt";
recorded("SevSnpVm: the names and types of a token of Azure's", [SNP + "/report.bin", AZURE, ...chain], async () => {
    const theirs = jose.decodeJwt(vector(AZURE).toString().trim());
    const ours = await attested(env.ATTESTATION_AAD_URL, "SevSnpVm", snpBody(vector(SNP + "/report.bin")));
    for (const [name, value] of Object.entries(theirs))
        if (!["x-ms-runtime", "x-ms-compliance-status"].includes(name)) assert.equal(typeof ours[name], typeof value, name);
});

// --- TDX ---

const TDX = "tdx-quote/v4-00806f050000-go-tdx-guest-00b2526a/quote.bin";
recorded("TdxVm", [TDX], async () => {
    const quote = vector(TDX), body = quote.subarray(48);
    const claims = await attested(env.TDX_URL, "TdxVm", { quote: b64u(quote) });
    assert.equal(claims["x-ms-attestation-type"], "tdxvm");
    for (const [name, from, size] of [["tdx_mrseam", 16, 48], ["tdx_td_attributes", 120, 8], ["tdx_xfam", 128, 8], ["tdx_mrtd", 136, 48],
        ["tdx_mrconfigid", 184, 48], ["tdx_rtmr0", 328, 48], ["tdx_rtmr3", 472, 48], ["tdx_report_data", 520, 64]])
        assert.equal(claims[name], body.subarray(from, from + size).toString("hex"), name);
    const changed = Buffer.from(quote);
    changed[48 + 136] ^= 1;
    await refused(env.TDX_URL, "TdxVm", { quote: b64u(changed) }, /signature/);
    await refused(env.TDX_URL, "SgxEnclave", { quote: b64u(quote) }, /./);
});

// --- AzureGuest and SoftwareEnclave: their whole protocols have tests of their own; here that refusals read ---

test("AzureGuest: what is no attestation of a guest", async () => {
    for (const info of ["", "{}", "[]", b64u("{}"), "not base64!"])
        await refused(env.ATTESTATION_AAD_URL, "AzureGuest", { AttestationInfo: info }, /./);
});
test("SoftwareEnclave: nothing before a policy is set", () =>
    refused(env.ATTESTATION_AAD_URL, "SoftwareEnclave", { evidence: b64u("CELLAEVD") }, /./));
