/**
 * docs/configuration.md says what the schema says: every key with its type, default and meaning. Its configurations and
 * that of the README load.
 */
import { assert, assertEquals } from "@std/assert";
import { VARIABLES } from "../../../core/config/environment.ts";
import { configurationSchema } from "../../../core/config/json_schema.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { REGISTRY } from "../../../core/config/registry.ts";
import { TempFolder } from "../../support/temp.ts";

const doc = await Deno.readTextFile(new URL("../../../docs/configuration.md", import.meta.url));

interface Json {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Json;
  readonly anyOf?: readonly Json[];
  readonly properties?: Readonly<Record<string, Json>>;
  /** False where only the named ones may be there. */
  readonly additionalProperties?: Json | boolean;
  readonly required?: readonly string[];
}

type Table = Json & { readonly additionalProperties: Json };
function isTable(json: Json): json is Table {
  return typeof json.additionalProperties === "object";
}
/** The keys that a value has, or may have. */
function groupIn(json: Json): Json | undefined {
  return json.properties ? json : json.anyOf?.find((each) => each.properties);
}

function typeOf(json: Json): string {
  if (json.enum) return json.enum.map((each) => `\`${each}\``).join(", ");
  if (json.pattern?.includes("ms|s")) return "duration";
  if (json.pattern?.includes("iB")) return "size";
  if (json.pattern?.includes("[smhd]")) return "rate";
  if (json.anyOf) {
    return typeOf(json.anyOf[0]!) + (json.anyOf.some((each) => each.type === "array") ? ", or a list" : "");
  }
  if (json.type === "array") return json.items?.type || json.items?.enum ? `list of ${typeOf(json.items)}` : "list";
  if (json.type === "object") return isTable(json) ? `table of ${typeOf(json.additionalProperties)}` : "group";
  return json.type === "integer" ? "whole number" : json.type ?? "";
}
function defaultOf(json: Json, required: boolean): string {
  if (json.default === undefined) return required ? "required" : "-";
  return typeof json.default === "string" ? `\`${json.default}\`` : `\`${JSON.stringify(json.default)}\``;
}

/** A row for each key that has no keys of its own, or can go without. */
function rows(json: Json, path = ""): string[] {
  return Object.entries(json.properties ?? {}).flatMap(([key, each]) => {
    const name = path === "" ? key : `${path}.${key}`;
    const [value, place] = isTable(each)
      ? [each.additionalProperties, `${name}.NAME`]
      : each.items
      ? [each.items, `${name}[]`]
      : [each, name];
    const group = groupIn(value), required = json.required?.includes(key) === true;
    const row = `| \`${name}\` | ${typeOf(each)} | ${defaultOf(each, required)} | ${each.description ?? ""} |`;
    return [...value.properties ? [] : [row], ...group ? rows(group, place) : []];
  });
}
const schema = configurationSchema(REGISTRY) as unknown as { readonly $defs: Record<string, Json> } & Json;
const words = Object.fromEntries(
  Object.entries((schema.$defs["entry"]!.anyOf![1] as Json).properties!).filter(([name]) =>
    !REGISTRY.has(name) && name !== "parallel" && name !== "firstOf"
  ),
);

Deno.test("every key of the schema stands in the manual with its type, default and meaning", () => {
  const expected = [...rows(schema), ...rows({ properties: words })];
  assert(expected.length > 50, "the schema was not read");
  const plain = doc.split("\n").map((line) => line.replace(/\s*\|\s*/g, " | ").trim());
  const missing = expected.filter((row) => !plain.includes(row));
  assertEquals(missing, []);
});

Deno.test("every row of the manual's tables is a key of the schema or a variable", () => {
  const known = [...rows(schema), ...rows({ properties: words })].map((row) => row.split("`")[1]!);
  const told = [...doc.matchAll(/^\| `([\w.[\]]+)`/gm)].map((match) => match[1]!);
  assertEquals(told.filter((name) => !known.includes(name) && !(name in VARIABLES)), []);
  for (const name of Object.keys(VARIABLES)) assert(told.includes(name), name);
  for (const name of REGISTRY.keys()) assert(doc.includes(`\`${name}\``), name);
});

const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
const examples = [...`${doc}${readme}`.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1]!);
Deno.test("every configuration in the manual and the README loads, without a warning", async () => {
  assert(examples.length >= 4);
  const { privateKey } = await crypto.subtle.generateKey("Ed25519", true, ["sign"]) as CryptoKeyPair;
  const octets = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const key = `-----BEGIN PRIVATE KEY-----\n${octets.toBase64()}\n-----END PRIVATE KEY-----\n`; // as `dkim keygen` makes one
  for (const text of examples) {
    await using temp = await TempFolder.make();
    const cwd = temp.path;
    await Deno.writeTextFile(`${cwd}/postern.yaml`, text);
    await Deno.writeTextFile(`${cwd}/recipients.yaml`, "accounts: [ops]\n");
    await Deno.copyFile(new URL("../../../examples/sites/accounts.txt", import.meta.url), `${cwd}/accounts.txt`);
    await Deno.writeTextFile(`${cwd}/s2026.pem`, key, { mode: 0o600 });
    const env = {
      POSTERN_ADMIN_TOKEN: "0123456789abcdef",
      RELAY_PASSWORD: "hunter2-hunter2",
      SHOP_TOKEN: "fedcba9876543210",
      HOOK_SECRET: `whsec_${new Uint8Array(32).fill(7).toBase64()}`,
    };
    const config = await loadConfig({ env, cwd });
    assertEquals(config.warnings, [], text);
  }
});
