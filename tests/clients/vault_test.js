// @azure/keyvault-keys, -secrets and -certificates, unmodified, against a vault and a Managed HSM of `cella serve`; keys and
// signatures looked at by Node's own cryptography; releases opened by a holder of the token's key.
"use strict";
const { KeyClient, CryptographyClient } = require("@azure/keyvault-keys");
const { SecretClient } = require("@azure/keyvault-secrets");
const { CertificateClient, DefaultCertificatePolicy } = require("@azure/keyvault-certificates");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { assert, crypto, env, test, jose, once, secret, refused, post, vector, recorded, b64u, pem } = require("./harness.js");

const options = { ...once, disableChallengeResourceVerification: true };
const keys = new KeyClient(env.KEYVAULT_URI, secret(), options);
const secrets = new SecretClient(env.KEYVAULT_URI, secret(), options);
const certificates = new CertificateClient(env.KEYVAULT_URI, secret(), options);
const hsm = new KeyClient(env.AZURE_MANAGEDHSM_URI, secret(), options);
const soon = { intervalInMs: 50 };
const using = (key) => new CryptographyClient(key.id, secret(), options);
const publicKey = (key) => {
    const b64 = (b) => (b ? Buffer.from(b).toString("base64url") : undefined);
    const { kty, n, e, crv, x, y } = key.key;
    const jwk = { kty: kty.replace("-HSM", ""), n: b64(n), e: b64(e), crv: crv === "P-256K" ? "secp256k1" : crv, x: b64(x), y: b64(y) };
    return crypto.createPublicKey({ key: jwk, format: "jwk" });
};
async function all(pages) {
    const found = [];
    for await (const item of pages) found.push(item);
    return found;
}
async function deleted(client, noun, name) {
    const poller = await client[`beginDelete${noun}`](name, soon);
    return poller.pollUntilDone();
}

test("keys: made, shown, listed, updated", async () => {
    const made = await keys.createRsaKey("rsa", { keySize: 3072, tags: { a: "b" }, expiresOn: new Date(2e12), enabled: true });
    assert.equal(made.keyType, "RSA");
    assert.equal(made.properties.tags.a, "b");
    assert.equal(made.properties.expiresOn.getTime(), 2e12);
    assert.equal(publicKey(made).asymmetricKeyDetails.modulusLength, 3072);
    for (const curve of ["P-256", "P-384", "P-521", "P-256K"]) {
        const key = await keys.createEcKey("ec-" + curve.toLowerCase(), { curve });
        assert.equal(publicKey(key).asymmetricKeyType, "ec");
    }
    const second = await keys.createRsaKey("rsa");
    assert.notEqual(second.properties.version, made.properties.version);
    assert.equal((await keys.getKey("rsa")).properties.version, second.properties.version);
    assert.equal((await keys.getKey("RSA", { version: made.properties.version })).id, made.id);
    assert.equal((await all(keys.listPropertiesOfKeyVersions("rsa"))).length, 2);
    const off = await keys.updateKeyProperties("rsa", made.properties.version, { enabled: false, keyOps: ["sign"] });
    assert.equal(off.properties.enabled, false);
    assert.deepEqual(off.keyOperations, ["sign"]);
    const pages = await all(keys.listPropertiesOfKeys().byPage({ maxPageSize: 2 }));
    assert.ok(pages.length >= 3 && pages.every((p) => p.length <= 2));
    assert.ok(pages.flat().every((p) => !p.version), "lists are of things, not of versions");
    await refused(keys.getKey("missing"), 404, "KeyNotFound");
    await refused(keys.createKey("bad_name", "RSA"), 400, "BadParameter", /invalid name/);
    await refused(keys.createOctKey("oct", { keySize: 256 }), 400, "BadParameter");
});

test("keys: imported, private parts never shown", async () => {
    const { privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
    const jwk = privateKey.export({ format: "jwk" });
    const part = (name) => Buffer.from(jwk[name], "base64url");
    const whole = Object.fromEntries(["n", "e", "d", "p", "q", "dp", "dq", "qi"].map((m) => [m, part(m)]));
    const imported = await keys.importKey("imported", { kty: "RSA", ...whole }, { hardwareProtected: true });
    assert.match(imported.keyType, /^RSA(-HSM)?$/); // 4.9.0 of the SDK loses hardwareProtected, later ones send it
    assert.ok(!imported.key.d && !imported.key.p);
    const alone = await keys.importKey("alone", { kty: "RSA", n: whole.n, e: whole.e, d: whole.d }); // primes recovered
    const signed = await using(alone).signData("RS256", Buffer.from("x"));
    assert.ok(crypto.verify("sha256", Buffer.from("x"), crypto.createPublicKey(privateKey), signed.result));
    whole.d[5] ^= 1; // K10
    await refused(keys.importKey("broken", { kty: "RSA", ...whole }), 400, "BadParameter");
});

test("keys: deleted, recovered, purged, backed up and restored", async () => {
    await keys.createEcKey("life");
    await keys.rotateKey("life");
    const backup = await keys.backupKey("life");
    await deleted(keys, "Key", "life");
    assert.ok((await keys.getDeletedKey("life")).properties.recoveryId);
    assert.ok((await all(keys.listDeletedKeys())).some((k) => k.name === "life"));
    await refused(keys.createEcKey("life"), 409, "Conflict");
    await (await keys.beginRecoverDeletedKey("life", soon)).pollUntilDone();
    await deleted(keys, "Key", "life");
    await keys.purgeDeletedKey("life");
    const restored = await keys.restoreKeyBackup(backup);
    assert.equal(restored.name, "life");
    assert.equal((await all(keys.listPropertiesOfKeyVersions("life"))).length, 2);
    await refused(keys.restoreKeyBackup(backup), 409, "Conflict");
});

test("keys: rotation policies", async () => {
    await keys.createEcKey("turns");
    const none = await keys.getKeyRotationPolicy("turns");
    assert.equal(none.lifetimeActions[0].action, "Notify");
    await keys.updateKeyRotationPolicy("turns", { lifetimeActions: [{ action: "Rotate", timeAfterCreate: "P30D" }], expiresIn: "P90D" });
    const kept = await keys.getKeyRotationPolicy("turns");
    assert.equal(kept.expiresIn, "P90D");
    assert.ok((await keys.rotateKey("turns")).properties.expiresOn > new Date(Date.now() + 89 * 864e5));
    await refused(keys.updateKeyRotationPolicy("turns", { lifetimeActions: [], expiresIn: "P3D" }), 400, "BadParameter");
});

test("cryptography: local and remote halves against each other", async () => {
    const rsa = await keys.createRsaKey("halves");
    const client = using(rsa);
    for (const algorithm of ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"]) {
        const { result } = await client.encrypt({ algorithm, plaintext: Buffer.from("hello") });
        assert.equal(Buffer.from((await client.decrypt({ algorithm, ciphertext: result })).result).toString(), "hello");
        const wrapped = await client.wrapKey(algorithm, Buffer.alloc(32, 7));
        assert.deepEqual(Buffer.from((await client.unwrapKey(algorithm, wrapped.result)).result), Buffer.alloc(32, 7));
    }
    for (const bits of ["256", "384", "512"]) {
        const data = Buffer.from("data"), hash = "sha" + bits, digest = crypto.createHash(hash).update(data).digest();
        const plain = await client.signData("RS" + bits, data);
        assert.ok((await client.verifyData("RS" + bits, data, plain.result)).result);
        assert.ok((await client.verify("RS" + bits, digest, plain.result)).result);
        const pss = await client.signData("PS" + bits, data); // the SDK's local half checks it as PKCS #1: Node's own is asked
        const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
        assert.ok(crypto.verify(hash, data, { key: publicKey(rsa), padding, saltLength: bits / 8 }, pss.result));
        assert.ok((await client.verify("PS" + bits, digest, pss.result)).result);
        assert.ok(!(await client.verify("PS" + bits, crypto.createHash(hash).update("other").digest(), pss.result)).result);
    }
    for (const [curve, algorithm, hash] of [["P-256", "ES256", "sha256"], ["P-384", "ES384", "sha384"], ["P-521", "ES512", "sha512"], ["P-256K", "ES256K", "sha256"]]) {
        const key = await keys.createEcKey("halves-" + algorithm, { curve });
        const signed = await using(key).signData(algorithm, Buffer.from("data"));
        assert.ok((await using(key).verifyData(algorithm, Buffer.from("data"), signed.result)).result);
        assert.ok(crypto.verify(hash, Buffer.from("data"), { key: publicKey(key), dsaEncoding: "ieee-p1363" }, signed.result));
    }
    await refused(client.sign("RS256", Buffer.alloc(20)), 400, "BadParameter"); // not a SHA-256
    await refused(client.decrypt({ algorithm: "RSA-OAEP", ciphertext: Buffer.alloc(256, 1) }), 400, "BadParameter");
});

test("a Managed HSM: symmetric keys and random bytes", async () => {
    const client = using(await hsm.createOctKey("oct", { keySize: 256, hsm: true }));
    const plaintext = Buffer.from("0123456789abcdef"), additionalAuthenticatedData = Buffer.from("aad");
    const gcm = await client.encrypt({ algorithm: "A256GCM", plaintext, additionalAuthenticatedData });
    const opened = await client.decrypt({ algorithm: "A256GCM", ciphertext: gcm.result, iv: gcm.iv, authenticationTag: gcm.authenticationTag, additionalAuthenticatedData });
    assert.deepEqual(Buffer.from(opened.result), plaintext);
    for (const algorithm of ["A256CBC", "A256CBCPAD"]) {
        const iv = crypto.randomBytes(16);
        const { result } = await client.encrypt({ algorithm, plaintext, iv });
        assert.deepEqual(Buffer.from((await client.decrypt({ algorithm, ciphertext: result, iv })).result), plaintext);
    }
    const wrapped = await client.wrapKey("A256KW", Buffer.alloc(32, 1));
    assert.equal((await client.unwrapKey("A256KW", wrapped.result)).result.length, 32);
    assert.equal((await hsm.getRandomBytes(16)).length, 16);
    for (const count of [-1, 0, 129]) await refused(hsm.getRandomBytes(count), 400, "BadParameter");
});

test("secrets: every call", async () => {
    const set = await secrets.setSecret("s", "value", { tags: { a: "b" }, contentType: "text/plain", notBefore: new Date(1e12) });
    assert.equal((await secrets.getSecret("s")).value, "value");
    assert.equal((await secrets.getSecret("s", { version: set.properties.version })).properties.contentType, "text/plain");
    await secrets.setSecret("s", "");
    assert.equal((await secrets.getSecret("s")).value, "");
    assert.equal((await all(secrets.listPropertiesOfSecretVersions("s"))).length, 2);
    assert.ok((await all(secrets.listPropertiesOfSecrets())).some((p) => p.name === "s"));
    const current = await secrets.getSecret("s");
    await secrets.updateSecretProperties("s", current.properties.version, { enabled: false });
    await refused(secrets.getSecret("s"), 403, "Forbidden", /^Operation get is not allowed on a disabled secret\.$/);
    const backup = await secrets.backupSecret("s");
    await deleted(secrets, "Secret", "s");
    await (await secrets.beginRecoverDeletedSecret("s", soon)).pollUntilDone();
    await deleted(secrets, "Secret", "s");
    assert.ok((await all(secrets.listDeletedSecrets())).some((d) => d.name === "s"));
    await secrets.purgeDeletedSecret("s");
    assert.equal((await secrets.restoreSecretBackup(backup)).name, "s");
    assert.equal((await secrets.getSecret("s", { version: set.properties.version })).value, "value");
    await refused(secrets.setSecret("long", "x".repeat(25 * 1024 + 1)), 400, "BadParameter");
    await secrets.setSecret("long", "x".repeat(25 * 1024)); // K26
});

test("certificates: self-signed, imported, updated, backed up with key and secret", async () => {
    const poller = await certificates.beginCreateCertificate("c", { ...DefaultCertificatePolicy, subjectAlternativeNames: { dnsNames: ["host.example"] } }, soon);
    const made = await poller.pollUntilDone();
    const x509 = new crypto.X509Certificate(made.cer);
    assert.match(x509.subject, /CN=DefaultPolicy|CN=/);
    assert.equal(x509.subjectAltName, "DNS:host.example");
    assert.ok(x509.verify(x509.publicKey));
    assert.equal((await certificates.getCertificatePolicy("c")).issuerName, "Self");
    const bundle = await secrets.getSecret("c");
    const imported = await certificates.importCertificate("again", Buffer.from(bundle.value, "base64"));
    assert.deepEqual(Buffer.from(imported.cer), Buffer.from(made.cer));
    await certificates.updateCertificateProperties("c", made.properties.version, { tags: { x: "y" } });
    assert.equal((await certificates.getCertificateVersion("c", made.properties.version)).properties.tags.x, "y");
    assert.ok((await all(certificates.listPropertiesOfCertificates({ includePending: true }))).length >= 2);
    assert.equal((await all(certificates.listPropertiesOfCertificateVersions("c"))).length, 1);
    await certificates.setContacts([{ email: "a@b.example" }]);
    assert.equal((await certificates.getContacts())[0].email, "a@b.example");
    await certificates.deleteContacts();
    const backup = await certificates.backupCertificate("again");
    await deleted(certificates, "Certificate", "again");
    await (await certificates.beginRecoverDeletedCertificate("again", soon)).pollUntilDone();
    await deleted(certificates, "Certificate", "again");
    await certificates.purgeDeletedCertificate("again");
    await certificates.restoreCertificateBackup(backup);
    assert.equal((await secrets.getSecret("again")).properties.contentType, "application/x-pkcs12");
    assert.ok((await keys.getKey("again")).key.n);
});

test("certificates: a request that an authority elsewhere signs", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cella-csr-"));
    const openssl = (...words) => execFileSync("openssl", words, { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
    try {
        await certificates.beginCreateCertificate("asked", { issuerName: "Unknown", subject: "CN=asked.example" }, { ...soon, resumeFrom: undefined });
        const response = await fetch(`${env.KEYVAULT_URI}/certificates/asked/pending?api-version=7.4`, {
            headers: { authorization: "Bearer " + (await secret().getToken("https://vault.azure.net/.default")).token },
        });
        const operation = await response.json();
        assert.equal(operation.status, "inProgress");
        fs.writeFileSync(path.join(folder, "csr.der"), Buffer.from(operation.csr, "base64"));
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2");
        openssl("x509", "-req", "-inform", "DER", "-in", "csr.der", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-outform", "DER", "-out", "leaf.der");
        openssl("x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der");
        const read = (name) => fs.readFileSync(path.join(folder, name));
        await refused(certificates.mergeCertificate("asked", [read("ca.der")]), 400, "BadParameter");
        const merged = await certificates.mergeCertificate("asked", [read("leaf.der"), read("ca.der")]);
        assert.deepEqual(Buffer.from(merged.cer), read("leaf.der"));
    } finally {
        fs.rmSync(folder, { recursive: true });
    }
});

test("release: to the key that the token proves, and to no other", async () => {
    const authority = "https://mock.example/"; // as the SDK's mock of an attestation service has it
    const signer = await jose.importJWK(JSON.parse(fs.readFileSync(env.MOCK_KEY, "utf8")), "RS256");
    const holder = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
    const wrap = { ...holder.publicKey.export({ format: "jwk" }), kid: "fake-release-key", use: "enc" };
    const token = (claims = {}, more = {}) =>
        new jose.SignJWT({ "sdk-test": true, "x-ms-runtime": { keys: [wrap] }, ...claims })
            .setProtectedHeader({ alg: "RS256", kid: "mock", ...more }).setIssuer(authority).setIssuedAt().setExpirationTime("7d").sign(signer);
    const encodedPolicy = Buffer.from(JSON.stringify({
        version: "1.0", anyOf: [{ anyOf: [{ claim: "sdk-test", condition: "equals", value: "true" }], authority }],
    }));
    const made = await keys.createRsaKey("released", { hsm: true, exportable: true, releasePolicy: { encodedPolicy } });
    assert.match(Buffer.from(made.properties.releasePolicy.encodedPolicy).toString(), /"claim":"sdk-test","equals":"true"/);
    for (const [algorithm, hash] of [["CKM_RSA_AES_KEY_WRAP", "sha1"], ["RSA_AES_KEY_WRAP_256", "sha256"], ["RSA_AES_KEY_WRAP_384", "sha384"]]) {
        const { value } = await keys.releaseKey("released", await token(), { nonce: "n1", algorithm });
        const header = jose.decodeProtectedHeader(value);
        const leaf = new crypto.X509Certificate(Buffer.from(header.x5c[0], "base64"));
        const { payload } = await jose.compactVerify(value, leaf.publicKey);
        const { request, response } = JSON.parse(Buffer.from(payload).toString());
        assert.equal(request.nonce, "n1");
        const envelope = JSON.parse(Buffer.from(response.key.key.key_hsm, "base64url").toString());
        const cipher = Buffer.from(envelope.ciphertext, "base64url");
        const kek = crypto.privateDecrypt({ key: holder.privateKey, oaepHash: hash, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING }, cipher.subarray(0, 256));
        const unwrap = crypto.createDecipheriv("id-aes256-wrap-pad", kek, Buffer.from("a65959a6", "hex"));
        const pkcs8 = Buffer.concat([unwrap.update(cipher.subarray(256)), unwrap.final()]);
        const released = crypto.createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
        assert.ok(crypto.createPublicKey(released).equals(publicKey(made)));
    }
    await refused(keys.releaseKey("released", await token({ "sdk-test": false })), 403, "Forbidden", /does not meet key release policy/);
    await refused(keys.releaseKey("released", await token({ "x-ms-runtime": {} })), 403, "Forbidden");
    await refused(keys.releaseKey("released", await token({}, { kid: "other" })), 403, "Forbidden", /cannot be verified/);
    await refused(keys.releaseKey("released", (await token()).slice(0, -4) + "AAAA"), 403, "Forbidden", /cannot be verified/);
    await refused(keys.createRsaKey("free", { hsm: true, exportable: true }), 400, "BadParameter", /exportable/i);
    await refused(keys.createRsaKey("free", { hsm: true, releasePolicy: { encodedPolicy } }), 400, "BadParameter", /exportable/i);
});

// A confidential VM of Azure's, as it was recorded: its report binds runtime data with two keys of its virtual TPM, one to sign and
// one to encrypt to. Our service proves it, and the vault wraps to the second; only that machine could open what comes.
const VM = "azure-vtpm/snp-cdai-milan-v3", CERTIFICATES = [VM + "/vcek.der", "snp-certs/milan/ask.der", "snp-certs/milan/ark.der"];
recorded("release: to a real confidential VM's key", [VM + "/hcl_report.bin", ...CERTIFICATES], async () => {
    const hcl = vector(VM + "/hcl_report.bin");
    const runtime = hcl.subarray(1236, 1236 + hcl.readUInt32LE(1232)), set = JSON.parse(runtime.toString());
    const chain = CERTIFICATES.map((name) => pem("CERTIFICATE", vector(name).toString("base64"))).join("");
    const report = JSON.stringify({ SnpReport: b64u(hcl.subarray(32, 32 + 1184)), VcekCertChain: b64u(chain), Endorsements: "" });
    const { status, body } = await post(env.ATTESTATION_AAD_URL, "SevSnpVm",
        { report: b64u(report), runtimeData: { data: b64u(runtime), dataType: "JSON" } });
    assert.equal(status, 200, JSON.stringify(body));
    const policy = (claims) => ({ encodedPolicy: Buffer.from(JSON.stringify({ version: "1.0.0", anyOf: [{ authority: env.ATTESTATION_AAD_URL,
        allOf: Object.entries(claims).map(([claim, value]) => ({ claim, equals: value })) }] })) });
    const measurement = hcl.subarray(32 + 0x90, 32 + 0xc0).toString("hex");
    const good = { "x-ms-attestation-type": "sevsnpvm", "x-ms-sevsnpvm-launchmeasurement": measurement };
    await hsm.createEcKey("for-vm", { curve: "P-384", hsm: true, exportable: true, releasePolicy: policy(good) });
    const { value } = await hsm.releaseKey("for-vm", body.token, { algorithm: "RSA_AES_KEY_WRAP_256" });
    const { key_hsm } = jose.decodeJwt(value).response.key.key;
    const envelope = JSON.parse(Buffer.from(key_hsm, "base64url").toString());
    const encrypts = set.keys.find((key) => key.key_ops.includes("encrypt"));
    assert.equal(envelope.header.kid, encrypts.kid);
    assert.ok(Buffer.from(envelope.ciphertext, "base64url").length > Buffer.from(encrypts.n, "base64url").length);
    const others = [{ ...good, "x-ms-attestation-type": "cella-software" }, { ...good, "x-ms-attestation-type": "sgx" },
        { ...good, "x-ms-sevsnpvm-launchmeasurement": "00".repeat(48) }, { ...good, "x-ms-sevsnpvm-is-debuggable": true }];
    for (const [i, other] of others.entries()) {
        await hsm.createEcKey("for-other-" + i, { curve: "P-256", hsm: true, exportable: true, releasePolicy: policy(other) });
        await refused(hsm.releaseKey("for-other-" + i, body.token), 403, "Forbidden", /does not meet key release policy/);
    }
});

test("versions of the service, and the challenge", async () => {
    for (const serviceVersion of ["7.3", "7.4", "7.5", "7.6", "2025-07-01"])
        assert.equal((await new KeyClient(env.KEYVAULT_URI, secret(), { ...options, serviceVersion }).getKey("rsa")).name, "rsa");
    await refused(new KeyClient(env.KEYVAULT_URI, secret(), { ...options, serviceVersion: "9.9" }).getKey("rsa"), 400, "BadParameter");
    await assert.rejects(new KeyClient(env.KEYVAULT_URI, secret(), once).getKey("rsa"), /challenge resource/i);
    const answer = await fetch(`${env.KEYVAULT_URI}/keys/rsa?api-version=7.4`);
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer authorization="https:.+", resource="https:\/\/vault\.azure\.net"$/);
});
