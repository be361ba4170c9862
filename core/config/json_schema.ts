/**
 * The JSON Schema of the configuration file, for editors and for the nearest known name of a typo. Every registered
 * plugin's options are in it. Non-job: checking a file (faults.ts does, with the schemas themselves).
 */
import { z } from "zod";
import { Conditions, HOST_WORDS } from "./entry.ts";
import type { Registry } from "./registry.ts";
import { File } from "./schema.ts";

export type JsonSchema = { readonly [key: string]: unknown };

/** Of anything that follows Standard Schema and can say it as JSON Schema; `{}` (anything) of the rest. */
export function jsonSchemaOf(schema: unknown): JsonSchema {
  const standard =
    (schema as { "~standard"?: { jsonSchema?: { input?: (options: unknown) => unknown } } })["~standard"];
  try {
    return (standard?.jsonSchema?.input?.({ target: "draft-2020-12" }) ?? {}) as JsonSchema;
  } catch {
    return {}; // a schema with something that JSON Schema cannot say
  }
}

/** The names that an object at `path` may have, or null when any is allowed. */
export function knownNames(schema: JsonSchema, path: readonly PropertyKey[]): string[] | null {
  let here: JsonSchema[] = [schema];
  for (const step of path) here = here.flatMap((each) => inside(each, step));
  const names = here.flatMap((each) => Object.keys(object(each["properties"])));
  return names.length > 0 ? names : null;
}

function inside(schema: JsonSchema, step: PropertyKey): JsonSchema[] {
  const found = typeof step === "number" ? schema["items"] : object(schema["properties"])[String(step)] ??
    schema["additionalProperties"];
  return variants(found);
}
function variants(schema: unknown): JsonSchema[] {
  const { anyOf, oneOf, allOf } = object(schema);
  const more = [anyOf, oneOf, allOf].flatMap((each) => Array.isArray(each) ? each.flatMap(variants) : []);
  return typeof schema === "object" && schema !== null ? [schema as JsonSchema, ...more] : [];
}
function object(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null ? value as { readonly [key: string]: unknown } : {};
}

/** A path, or a package: what a plugin of the operator's own is named by. */
const OWN = "^(?:\\.{0,2}/|npm:)";

/**
 * The whole file, with `plugins` written out; `own`: the options of plugins that are not ours, by the name in the file.
 * Editors know it by the line `# yaml-language-server: $schema=postern.schema.json`.
 */
export function configurationSchema(plugins: Registry, own: ReadonlyMap<string, JsonSchema> = new Map()): JsonSchema {
  const json = z.toJSONSchema(File, { io: "input", unrepresentable: "any" }) as Record<string, unknown>;
  const words = Object.fromEntries(
    Object.entries(HOST_WORDS).map(([name, schema]) => [name, bare(z.toJSONSchema(schema, { io: "input" }))]),
  );
  const entries = { type: "array", items: { $ref: "#/$defs/entry" } };
  const options = new Map([...own].map(([name, schema]) => [name, placed(name, schema)]));
  for (const [name, factory] of plugins) options.set(name, jsonSchemaOf(factory.options));
  const named = Object.fromEntries(
    [...options].map(([name, schema]) => [name, { anyOf: [bare(schema), { type: "null" }] }]),
  );
  const properties = object(json["properties"]) as Record<string, Record<string, unknown>>;
  properties["plugins"] = { ...properties["plugins"], ...entries };
  const listener = object(object(properties["listeners"])["items"]) as Record<string, Record<string, unknown>>;
  listener["properties"]!["plugins"] = { ...object(listener["properties"]!["plugins"]), ...entries };
  return {
    ...json,
    title: "Postern configuration",
    $defs: {
      conditions: bare(z.toJSONSchema(Conditions, { io: "input" })),
      entry: {
        description: "A plugin with its options, and what the host shall do with it.",
        anyOf: [
          { type: "string", anyOf: [{ enum: [...options.keys()] }, { pattern: OWN }] },
          {
            type: "object",
            properties: { ...named, parallel: entries, firstOf: entries, ...words },
            patternProperties: { [OWN]: {} },
            additionalProperties: false,
          },
        ],
      },
    },
  };
}

/** References inside of it begin at itself, wherever it is put. */
function placed(name: string, schema: JsonSchema): JsonSchema {
  return JSON.stringify(schema).includes('"$ref"')
    ? { ...schema, $id: `urn:postern:${encodeURIComponent(name)}` }
    : schema;
}

function bare(schema: object): Record<string, unknown> {
  const { $schema: _, ...rest } = schema as Record<string, unknown>;
  return rest;
}
