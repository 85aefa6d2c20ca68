// The issuer of access tokens, by @azure/identity and by jose.
"use strict";
const { assert, crypto, env, test, identity, jose, options, secret, verify, bearer } = require("./harness.js");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const SCOPE = "https://attest.azure.net/.default";
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cella-clients-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));

// An access token of the development tenant: its signature, issuer, audience, and whose it is.
async function check(token, appidacr) {
    const issuer = `${env.AZURE_AUTHORITY_HOST}/${env.AZURE_TENANT_ID}`;
    const metadata = await (await fetch(`${issuer}/v2.0/.well-known/openid-configuration`)).json();
    const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri));
    const claims = jose.decodeJwt(token.token);
    assert.ok([issuer + "/", metadata.issuer].includes(claims.iss), claims.iss);
    const { payload } = await jose.jwtVerify(token.token, keys, { issuer: claims.iss, audience: "https://attest.azure.net" });
    assert.equal(payload.appid ?? payload.azp, env.AZURE_CLIENT_ID);
    assert.equal(payload.tid, env.AZURE_TENANT_ID);
    assert.equal(payload.appidacr ?? payload.azpacr, appidacr);
    assert.ok(payload.oid && payload.sub);
    assert.ok(Math.abs(token.expiresOnTimestamp - payload.exp * 1000) < 5000, "expiry as the SDK has it");
}

test("ClientSecretCredential", async () => check(await secret().getToken(SCOPE), "1"));
test("ClientSecretCredential with CAE, as the vault's and attestation's clients ask", async () =>
    check(await secret().getToken(SCOPE, { enableCae: true }), "1"));
test("EnvironmentCredential", async () => check(await new identity.EnvironmentCredential(options).getToken(SCOPE), "1"));
test("DefaultAzureCredential", async () => check(await new identity.DefaultAzureCredential(options).getToken(SCOPE), "1"));
test("tokens are of one scope each", async () => {
    assert.equal(jose.decodeJwt(await bearer("https://vault.azure.net/.default")).aud, "https://vault.azure.net");
});

const cella = (...words) => execFileSync(env.CELLA, ["identity", "--data", env.DATA, ...words], { encoding: "utf8" });

function makeCertificate(name) {
    const key = path.join(folder, name + ".key"), certificate = path.join(folder, name + ".pem");
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "30",
        "-subj", "/CN=" + name], { stdio: "ignore" });
    const both = path.join(folder, name + ".both.pem");
    fs.writeFileSync(both, fs.readFileSync(key) + fs.readFileSync(certificate));
    return { key, certificate, both };
}
const mine = makeCertificate("client"), strange = makeCertificate("stranger");
cella("certificate", "add", env.AZURE_CLIENT_ID, mine.certificate);
const certificate = (pair, more = {}) =>
    new identity.ClientCertificateCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, { certificatePath: pair.both }, { ...options, ...more });

test("ClientCertificateCredential", async () => check(await certificate(mine).getToken(SCOPE), "2"));
test("ClientCertificateCredential that sends its chain", async () =>
    check(await certificate(mine, { sendCertificateChain: true }).getToken(SCOPE), "2"));

function assertion(pair, change = {}) {
    const x5t = crypto.createHash("sha256").update(new crypto.X509Certificate(fs.readFileSync(pair.certificate)).raw).digest("base64url");
    const now = Math.floor(Date.now() / 1000);
    const claims = { aud: `${env.AZURE_AUTHORITY_HOST}/${env.AZURE_TENANT_ID}/oauth2/v2.0/token`, iss: env.AZURE_CLIENT_ID,
        sub: env.AZURE_CLIENT_ID, jti: crypto.randomUUID(), nbf: now, iat: now, exp: now + 300, ...change };
    return new jose.SignJWT(claims).setProtectedHeader({ alg: "PS256", typ: "JWT", "x5t#S256": x5t })
        .sign(crypto.createPrivateKey(fs.readFileSync(pair.key)));
}
const asserted = (make) => new identity.ClientAssertionCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, make, options).getToken(SCOPE);
test("ClientAssertionCredential", async () => check(await asserted(() => assertion(mine)), "2"));

test("EnvironmentCredential with a certificate", async () => {
    const word = env.AZURE_CLIENT_SECRET;
    delete env.AZURE_CLIENT_SECRET;
    env.AZURE_CLIENT_CERTIFICATE_PATH = mine.both;
    try {
        await check(await new identity.EnvironmentCredential(options).getToken(SCOPE), "2");
    } finally {
        delete env.AZURE_CLIENT_CERTIFICATE_PATH;
        env.AZURE_CLIENT_SECRET = word;
    }
});

// --- Another issuer's tokens stand for the application: [issuer outside] of cella.conf ---

const AUDIENCE = "api://AzureADTokenExchange";
let outside;
async function federated(claims = {}) {
    if (!outside) {
        outside = await jose.generateKeyPair("ES256");
        const key = { ...(await jose.exportJWK(outside.publicKey)), kid: "o1", alg: "ES256", use: "sig" };
        fs.writeFileSync(path.join(env.DATA, "outside.json"), JSON.stringify({ keys: [key] }));
        cella("federation", "add", env.AZURE_CLIENT_ID, "--issuer", "https://outside.example", "--subject", "pod-7");
        await new Promise((resolve) => setTimeout(resolve, 1500)); // the key set is read again within a second
    }
    return new jose.SignJWT({ sub: "pod-7", ...claims }).setProtectedHeader({ alg: "ES256", kid: "o1" }).setIssuedAt()
        .setIssuer("https://outside.example").setAudience(claims.aud ?? AUDIENCE).setExpirationTime(claims.exp ?? "5m").sign(outside.privateKey);
}
test("WorkloadIdentityCredential: a token in a file, as in a cluster", async () => {
    const tokenFilePath = path.join(folder, "token");
    fs.writeFileSync(tokenFilePath, await federated());
    const credential = new identity.WorkloadIdentityCredential({ tenantId: env.AZURE_TENANT_ID, clientId: env.AZURE_CLIENT_ID, tokenFilePath,
        ...options });
    await check(await credential.getToken(SCOPE), "2");
});
test("ClientAssertionCredential with another issuer's token", async () => check(await asserted(() => federated()), "2"));
test("another issuer's token that is not for this", async () => {
    await fails(asserted(() => federated({ sub: "pod-8" })), /AADSTS700213/);
    await fails(asserted(() => federated({ aud: "api://other" })), /AADSTS700212/);
    await fails(asserted(() => federated({ exp: 1000 })), /AADSTS50013/);
});
test("ChainedTokenCredential: the next one when one has nothing", async () => {
    const none = { getToken: async () => { throw new identity.CredentialUnavailableError("nothing here"); } };
    await check(await new identity.ChainedTokenCredential(none, secret()).getToken(SCOPE), "1");
});
test("tokens are kept until they end", async () => {
    const credential = secret();
    assert.equal((await credential.getToken(SCOPE)).token, (await credential.getToken(SCOPE)).token);
});

// Every refusal is the SDK's own error, with the words that Azure's documents name it by.
async function fails(promise, words) {
    await assert.rejects(promise, (error) => {
        assert.ok(["AuthenticationRequiredError", "AuthenticationError", "CredentialUnavailableError"].includes(error.name), error.name);
        assert.match(error.message, words);
        assert.ok(!error.message.includes(env.AZURE_CLIENT_SECRET), "no secret in it");
        return true;
    });
}
const as = (tenant, id, word) => new identity.ClientSecretCredential(tenant, id, word, options).getToken(SCOPE);
test("a wrong secret", () => fails(as(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, "wrong"), /AADSTS7000215/));
test("an unknown application", () => fails(as(env.AZURE_TENANT_ID, crypto.randomUUID(), env.AZURE_CLIENT_SECRET), /AADSTS700016/));
test("an unknown tenant", () => fails(as(crypto.randomUUID(), env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET), /AADSTS90002|endpoints_resolution_error/));
test("a certificate that nobody added", () => fails(certificate(strange).getToken(SCOPE), /AADSTS700027/));
test("an assertion by another key", () => fails(asserted(() => assertion({ ...mine, key: strange.key })), /AADSTS700027/));
test("an assertion that is over", () => fails(asserted(() => assertion(mine, { exp: 1000, nbf: 900, iat: 900 })), /AADSTS700024/));
test("an assertion for another server", () => fails(asserted(() => assertion(mine, { aud: "https://elsewhere/token" })), /AADSTS700023/));
test("an assertion of another application", () => fails(asserted(() => assertion(mine, { sub: crypto.randomUUID() })), /AADSTS700021/));
test("an assertion twice, as the SDKs send one for ten minutes", async () => {
    const one = await assertion(mine);
    await asserted(async () => one);
    await check(await asserted(async () => one), "2");
});
test("a scope of no service", () => fails(secret().getToken("https://elsewhere.example/.default"), /AADSTS500011/));
test("tokens of the attestation service are no access tokens", async () => {
    await assert.rejects(verify(env.ATTESTATION_AAD_URL, await bearer()));
});
