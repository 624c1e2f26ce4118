// Signs a statement and attaches it to an image, as GitHub's actions/attest does, but with a key made here.
// Usage: node attest.mjs IMAGE DIGEST < STATEMENT
import { createSign, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundleToJSON } from "@sigstore/bundle";
import { attachArtifactToImage } from "@sigstore/oci";
import { DSSEBundleBuilder } from "@sigstore/sign";

const [imageName, imageDigest] = process.argv.slice(2);
const statement = readFileSync(0);
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { $case: "publicKey", publicKey: publicKey.export({ type: "spki", format: "pem" }), hint: "tests" };
const signer = { sign: async (data) => ({ signature: createSign("sha256").update(data).sign(privateKey), key }) };
const builder = new DSSEBundleBuilder({ signer, witnesses: [] });
const bundle = bundleToJSON(await builder.create({ data: statement, type: "application/vnd.in-toto+json" }));
await attachArtifactToImage({
  imageName,
  imageDigest,
  artifact: Buffer.from(JSON.stringify(bundle)),
  mediaType: bundle.mediaType,
  annotations: {
    "dev.sigstore.bundle.content": "dsse-envelope",
    "dev.sigstore.bundle.predicateType": JSON.parse(statement).predicateType,
  },
});
