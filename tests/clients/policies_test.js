// @azure/attestation's AttestationAdministrationClient: policies and who may sign them, unsigned, signed, isolated.
"use strict";
const { assert, crypto, env, test, attestation, identity, jose, options, once, vector, recorded, admin, client, sha256, pem, verify, b64u,
    refused, VERSION, bearer } = require("./harness.js");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cella-clients-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
function makeSigner(name, ...kind) {
    const key = path.join(folder, name + ".key"), certificate = path.join(folder, name + ".pem");
    execFileSync("openssl", ["req", "-x509", "-nodes", "-keyout", key, "-out", certificate, "-days", "30", "-subj", "/CN=" + name,
        "-newkey", ...(kind.length ? kind : ["rsa:2048"])], { stdio: "ignore" });
    return { privateKey: fs.readFileSync(key, "utf8"), certificate: fs.readFileSync(certificate, "utf8") };
}
const own = makeSigner("own"), another = makeSigner("another");
const manager = { privateKey: pem("PRIVATE KEY", env.ATTESTATION_ISOLATED_SIGNING_KEY),
    certificate: pem("CERTIFICATE", env.ATTESTATION_ISOLATED_SIGNING_CERTIFICATE) };
const policy = (word) => `version=1.0; authorizationrules{ => permit(); }; issuancerules{ => issue(type="of-the-test", value="${word}"); };`;
const TYPES = ["SgxEnclave", "OpenEnclave", "Tpm", "SevSnpVm", "TdxVm", "AzureGuest"];

function isHash(result, text, signer) {
    const token = attestation.createAttestationPolicyToken(text, signer?.privateKey, signer?.certificate);
    assert.equal(Buffer.from(result.body.policyTokenHash).toString("hex"), sha256(token.serialize()).toString("hex"));
}

test("policies of every type: set unsigned, read, reset", async () => {
    const asks = admin(env.ATTESTATION_AAD_URL);
    for (const type of TYPES) {
        const before = (await asks.getPolicy(type)).body;
        const text = policy(type);
        const set = await asks.setPolicy(type, text);
        assert.equal(set.body.policyResolution, "Updated");
        assert.equal(set.body.policySigner, undefined);
        isHash(set, text);
        await verify(env.ATTESTATION_AAD_URL, set.token.serialize());
        assert.equal((await asks.getPolicy(type)).body, text, "the same text comes back");
        const reset = await asks.resetPolicy(type);
        assert.equal(reset.body.policyResolution, "Removed");
        const after = await asks.getPolicy(type);
        assert.equal(after.body, before, "what was there before is there again");
        assert.notEqual(after.body, text);
        await verify(env.ATTESTATION_AAD_URL, after.token.serialize());
    }
});

test("policies signed by whom one likes, where roles guard them", async () => {
    const asks = admin(env.ATTESTATION_AAD_URL);
    const text = policy("signed");
    const set = await asks.setPolicy("SgxEnclave", text, own);
    assert.equal(set.body.policyResolution, "Updated");
    isHash(set, text, own);
    assert.equal(set.body.policySigner.certificates.length, 1);
    assert.equal(new crypto.X509Certificate(set.body.policySigner.certificates[0]).fingerprint256,
        new crypto.X509Certificate(own.certificate).fingerprint256);
    const got = await asks.getPolicy("SgxEnclave");
    assert.equal(got.body, text);
    const stored = got.token.getBody()["x-ms-policy"];
    assert.equal(stored, attestation.createAttestationPolicyToken(text, own.privateKey, own.certificate).serialize(), "as it was sent");
    const reset = await asks.resetPolicy("SgxEnclave", another);
    assert.equal(reset.body.policyResolution, "Removed");
});

test("createAttestationPolicyToken of EC and RSA keys is taken", async () => {
    const asks = admin(env.ATTESTATION_AAD_URL);
    for (const signer of [own, another]) {
        const set = await asks.setPolicy("OpenEnclave", policy("again"), signer);
        isHash(set, policy("again"), signer);
    }
    await asks.resetPolicy("OpenEnclave");
});

test("validationOptions of the administration client", async () => {
    const url = env.ATTESTATION_AAD_URL;
    const right = { validateToken: true, validateIssuer: true, expectedIssuer: url };
    const wrong = { ...right, expectedIssuer: env.ATTESTATION_SHARED_URL };
    await admin(url, { validationOptions: right }).getPolicy("SgxEnclave");
    await assert.rejects(admin(url, { validationOptions: wrong }).getPolicy("SgxEnclave"), /issuer/i);
    await assert.rejects(admin(url).getPolicy("SgxEnclave", { validationOptions: wrong }), /issuer/i);
    await assert.rejects(admin(url).getPolicyManagementCertificates({ validationOptions: wrong }), /issuer/i);
    const never = { validateToken: true, validateAttestationToken: () => ["not today"] };
    await assert.rejects(admin(url).resetPolicy("SgxEnclave", { validationOptions: never }), /not today/);
});

test("a policy with a mistake is told with its place", () =>
    refused(admin(env.ATTESTATION_AAD_URL).setPolicy("SgxEnclave", "version=1.0;\nauthorizationrules{ => allow(); };"), 400,
        "PolicyParsingError", /2/));
test("no such type", async () => {
    await refused(admin(env.ATTESTATION_AAD_URL).getPolicy("NoSuchTee"), 404, "NotFound");
});
test("without a role nothing is read or set", async () => {
    for (const call of [(c) => c.getPolicy("SgxEnclave"), (c) => c.setPolicy("SgxEnclave", policy("x")), (c) => c.resetPolicy("SgxEnclave"),
        (c) => c.getPolicyManagementCertificates()]) {
        const token = { getToken: async () => ({ token: "e30.e30.e30", expiresOnTimestamp: Date.now() + 3600e3 }) };
        await refused(call(new attestation.AttestationAdministrationClient(env.ATTESTATION_AAD_URL, token, once)), 401, "Unauthorized");
    }
});
test("a token for another service is none for this", async () => {
    const vault = await bearer("https://vault.azure.net/.default");
    const token = { getToken: async () => ({ token: vault, expiresOnTimestamp: Date.now() + 3600e3 }) };
    await refused(new attestation.AttestationAdministrationClient(env.ATTESTATION_AAD_URL, token, once).getPolicy("SgxEnclave"), 401,
        "Unauthorized");
});
test("the shared instance has the default policies, and takes none", async () => {
    assert.match((await admin(env.ATTESTATION_SHARED_URL).getPolicy("SgxEnclave")).body, /permit/);
    for (const signer of [undefined, own])
        await refused(admin(env.ATTESTATION_SHARED_URL).setPolicy("SgxEnclave", policy("x"), signer), 400, "InvalidOperation");
    await refused(admin(env.ATTESTATION_SHARED_URL).resetPolicy("SgxEnclave"), 400, "InvalidOperation");
});

// --- Isolated: policies are signed by who may ---

const thumbprint = (certificate) => new crypto.X509Certificate(certificate).fingerprint.replaceAll(":", "");
const managers = async (asks) => (await asks.getPolicyManagementCertificates()).body.map((s) => thumbprint(s.certificates[0]));

test("isolated: only policies by a management certificate", async () => {
    for (const url of [env.ATTESTATION_ISOLATED_URL, env.ISOLATED_URL]) {
        const asks = admin(url);
        assert.deepEqual(await managers(asks), [thumbprint(manager.certificate)]);
        for (const signer of [undefined, own, another]) {
            await refused(asks.setPolicy("SgxEnclave", policy("x"), signer), 400, "InvalidOperation");
            await refused(asks.resetPolicy("SgxEnclave", signer), 400, "InvalidOperation");
        }
        const text = policy("isolated");
        const set = await asks.setPolicy("SgxEnclave", text, manager);
        isHash(set, text, manager);
        assert.equal(thumbprint(set.body.policySigner.certificates[0]), thumbprint(manager.certificate));
        assert.equal((await asks.getPolicy("SgxEnclave")).body, text);
        assert.equal((await asks.resetPolicy("SgxEnclave", manager)).body.policyResolution, "Removed");
        assert.notEqual((await asks.getPolicy("SgxEnclave")).body, text);
    }
});

test("isolated: certificates are added and removed by a manager", async () => {
    const asks = admin(env.ISOLATED_URL);
    const added = await asks.addPolicyManagementCertificate(own.certificate, manager.privateKey, manager.certificate);
    assert.equal(added.body.certificateResolution, "IsPresent");
    assert.equal(added.body.certificateThumbprint.toUpperCase(), thumbprint(own.certificate));
    await verify(env.ISOLATED_URL, added.token.serialize());
    assert.deepEqual((await managers(asks)).sort(), [thumbprint(manager.certificate), thumbprint(own.certificate)].sort());
    const twice = await asks.addPolicyManagementCertificate(own.certificate, manager.privateKey, manager.certificate);
    assert.equal(twice.body.certificateResolution, "IsPresent");
    const set = await asks.setPolicy("SgxEnclave", policy("by the new one"), own);
    assert.equal(thumbprint(set.body.policySigner.certificates[0]), thumbprint(own.certificate));
    await asks.resetPolicy("SgxEnclave", own);
    const removed = await asks.removePolicyManagementCertificate(own.certificate, manager.privateKey, manager.certificate);
    assert.equal(removed.body.certificateResolution, "IsAbsent");
    assert.equal(removed.body.certificateThumbprint.toUpperCase(), thumbprint(own.certificate));
    assert.deepEqual(await managers(asks), [thumbprint(manager.certificate)]);
    await assert.rejects(asks.setPolicy("SgxEnclave", policy("no more"), own), { name: "RestError", statusCode: 400 });
});

test("isolated: nobody else adds or removes", async () => {
    const asks = admin(env.ISOLATED_URL);
    const by = [another.privateKey, another.certificate];
    await assert.rejects(asks.addPolicyManagementCertificate(another.certificate, ...by), { name: "RestError", statusCode: 400 });
    await assert.rejects(asks.removePolicyManagementCertificate(manager.certificate, ...by), { name: "RestError", statusCode: 400 });
    await assert.rejects(asks.removePolicyManagementCertificate(manager.certificate, manager.privateKey, manager.certificate),
        { name: "RestError", statusCode: 400 }, "not the last one");
    assert.deepEqual(await managers(asks), [thumbprint(manager.certificate)]);
});

test("where roles guard the policies no certificates are managed", async () => {
    const asks = admin(env.ATTESTATION_AAD_URL);
    assert.deepEqual(await managers(asks), []);
    await refused(asks.addPolicyManagementCertificate(own.certificate, manager.privateKey, manager.certificate), 400, "InvalidOperation");
});

// --- A policy in force ---

const REPORT = "maa-jwt/evidence-928c12bc/oe_report.bin";
recorded("what a policy decides stands in the tokens from then on", [REPORT], async () => {
    const quote = vector(REPORT).subarray(16);
    const asks = admin(env.SGX_SIGNED_URL);
    const attest = async () => (await client(env.SGX_SIGNED_URL).attestSgxEnclave(quote)).body;
    const before = await attest();
    assert.equal(before.policySigner, undefined);
    const text = policy("in force");
    const set = await asks.setPolicy("SgxEnclave", text, manager);
    const now = await attest();
    assert.equal(now.policyClaims["of-the-test"], "in force");
    assert.equal(b64u(now.policyHash), b64u(sha256(b64u(text))), "the policy's hash, as a relying party pins it");
    assert.equal(set.body.policyResolution, "Updated");
    assert.equal(thumbprint(now.policySigner.certificates[0]), thumbprint(manager.certificate));
    await asks.setPolicy("SgxEnclave", "version=1.0; authorizationrules{ => deny(); }; issuancerules{};", manager);
    await refused(client(env.SGX_SIGNED_URL).attestSgxEnclave(quote), 400, "PolicyEvaluationError");
    await asks.resetPolicy("SgxEnclave", manager);
    assert.equal(b64u((await attest()).policyHash), b64u(before.policyHash));
});

test("attestTpm: the first step is answered with a challenge", async () => {
    const asks = admin(env.ATTESTATION_AAD_URL);
    const tpm = () => new attestation.AttestationClient(env.ATTESTATION_AAD_URL,
        new identity.ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET, options), once);
    const first = JSON.stringify({ payload: { type: "aikcert" } });
    const text = "version=1.0; authorizationrules{ => permit(); }; issuancerules{};";
    await asks.setPolicy("Tpm", text);
    const { payload } = JSON.parse(await tpm().attestTpm(first));
    assert.ok(payload.challenge && payload.service_context, JSON.stringify(payload));
    const again = JSON.parse(await tpm().attestTpm(first)).payload;
    assert.notEqual(again.challenge, payload.challenge);
    for (const wrong of ["{}", "[]", "no JSON", JSON.stringify({ payload: { type: "other" } })])
        await refused(tpm().attestTpm(wrong), 400, "InvalidParameter");
    await asks.resetPolicy("Tpm");
});
