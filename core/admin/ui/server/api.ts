/**
 * The page of the API, made from the document at /openapi.json: every route with its parameters, its body, its answers, the
 * scope of its token, and a command to try it. No script but our own; what is folded opens without it too.
 */
import type { Json } from "../../openapi/terms.ts";
import { plural } from "../format.ts";
import { type Html, markup } from "../html.ts";
import { command, page, type PageContext } from "../layout.ts";

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly value: Json;
}

/** `origin`: where this site is, as the browser says it. */
export function apiPage(
  context: PageContext,
  { document, origin }: { readonly document: Json; readonly origin: string },
): Html {
  const all = operationsOf(document);
  const tags = Map.groupBy(
    all,
    ({ value }) => String((value["tags"] as readonly unknown[] | undefined)?.[0] ?? "other"),
  );
  const main = markup`<div class="head">
  <div><h1>API</h1><p>${
    plural(all.length, "operation")
  } over HTTP and JSON. The same for programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p></div>
</div>
<section class="card pad">
  <h2>How to ask</h2>
  <p class="soft">${
    context.session
      ? markup`Each request carries a token, <code>Authorization: Bearer TOKEN</code>: <code>admin.token</code>, which may do everything, or one of <code>admin.tokens</code> with the scope that stands at the operation.`
      : "Nobody is asked for a token here, from this machine alone: it is the dev inbox."
  } What is wrong comes as <code>application/problem+json</code> with a sentence that says what would be right.</p>
  <p class="soft">${[...tags.keys()].map((tag, i) => markup`${i > 0 && " · "}<a href="#tag-${tag}">${tag}</a>`)}</p>
</section>
${[...tags].map(([tag, operations]) => group(tag, operations, { context, document, origin }))}`;
  return page(context, { title: "API", current: "api", main });
}

function operationsOf({ paths }: Json): readonly Operation[] {
  return Object.entries(paths as Record<string, Json>).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const value = item[method] as Json | undefined;
      return value === undefined ? [] : [{ method: method.toUpperCase(), path, value }];
    })
  );
}

interface Around {
  readonly context: PageContext;
  readonly document: Json;
  readonly origin: string;
}

function group(tag: string, operations: readonly Operation[], around: Around): Html {
  return markup`
    <section class="card gap ops" aria-labelledby="tag-${tag}">
      <h2 class="pad" id="tag-${tag}">${tag}</h2>
      ${operations.map((each) => one(each, around))}
    </section>
  `;
}

function one({ method, path, value }: Operation, { context, document, origin }: Around): Html {
  const id = `${method}${path}`.replace(/\W+/g, "-").toLowerCase();
  const scope = scopeOf(value), parameters = (value["parameters"] ?? []) as readonly Json[];
  const body = bodyOf(value);
  return markup`
    <details>
      <summary><span class="verb">${method}</span><code>${path}</code><span class="soft">${value[
    "summary"
  ] as string}</span></summary>
      <div>
        <p class="soft">${
    scope === null ? "No token is asked for." : markup`Scope <span class="tag">${scope}</span>`
  }</p>
        ${parameters.length > 0 && parameterTable(parameters)}
        ${
    body !== null &&
    markup`<p class="gap"><b>Body</b> <small class="dim">${body.type}</small></p><pre tabindex="0" aria-label="Body of ${method} ${path}">${
      sketch(body.schema, document)
    }</pre>`
  }
        ${
    command(
      `curl-${id}`,
      curl({ method, path, value }, { origin, token: context.session && scope !== null, document }),
      { shell: true },
    )
  }
        ${answers(value, document, `${method} ${path}`)}
      </div>
    </details>
  `;
}

/** The scope of a token; null: none is asked for. */
function scopeOf(value: Json): string | null {
  const security = value["security"] as readonly Record<string, readonly string[]>[] | undefined;
  if (security !== undefined && security.length === 0) return null;
  return security?.[0]?.["token"]?.[0] ?? "admin";
}

function parameterTable(parameters: readonly Json[]): Html {
  return markup`
    <div class="tw" tabindex="0" role="group" aria-label="Parameters"><table>
      <caption class="vh">Parameters</caption>
      <thead>
        <tr><th scope="col">Parameter</th><th scope="col">Where</th><th scope="col">What</th></tr>
      </thead>
      <tbody>${
    parameters.map((each) => {
      const { schema = {} } = each as { readonly schema?: Json };
      const choices = schema["enum"] as readonly unknown[] | undefined;
      return markup`<tr><th scope="row"><code>${each["name"] as string}</code></th><td class="nb">${each[
        "in"
      ] as string}${each["required"] === true && ", required"}</td><td>${(each["description"] ?? "") as string}${
        choices !== undefined && markup` <small>${choices.join(", ")}</small>`
      }</td></tr>`;
    })
  }</tbody>
    </table></div>
  `;
}

function bodyOf(value: Json): { readonly type: string; readonly schema: Json } | null {
  const content = (value["requestBody"] as Json | undefined)?.["content"] as Record<string, Json> | undefined;
  const [first] = Object.entries(content ?? {});
  return first === undefined ? null : { type: first[0], schema: (first[1]["schema"] ?? {}) as Json };
}

function answers(value: Json, document: Json, name: string): Html {
  const responses = Object.entries(value["responses"] as Record<string, Json>);
  const [, ok] = responses.find(([status]) => status.startsWith("2")) ?? [];
  const content = Object.values((ok?.["content"] ?? {}) as Record<string, Json>)[0]?.["schema"] as Json | undefined;
  const faults = responses.map(([status]) => status).filter((status) => !status.startsWith("2"));
  return markup`
    <p class="gap"><b>Answer</b> <span class="soft">${(ok?.["description"] ?? "") as string}</span></p>
    ${
    content !== undefined && isStructured(content, document) &&
    markup`<pre tabindex="0" aria-label="Answer of ${name}">${sketch(content, document)}</pre>`
  }
    ${
    faults.length > 0 && markup`<p class="soft">Problems: ${
      faults.map((status, i) => markup`${i > 0 && ", "}<code>${status}</code>`)
    }</p>`
  }
  `;
}

function isStructured(schema: Json, document: Json): boolean {
  const here = resolved(schema, document);
  return here["type"] === "object" || here["type"] === "array" || here["allOf"] !== undefined;
}

const DEEPEST = 5;

/** A schema as an example that people read: `{ "id": string, "size": integer }`. */
function sketch(schema: Json, document: Json, depth = 0): string {
  const here = resolved(schema, document), pad = "  ".repeat(depth + 1);
  const variants = (here["oneOf"] ?? here["anyOf"]) as readonly Json[] | undefined;
  if (variants !== undefined) return variants.map((each) => sketch(each, document, depth)).join("\nor ");
  const parts = here["allOf"] as readonly Json[] | undefined;
  const properties = parts === undefined
    ? here["properties"] as Record<string, Json> | undefined
    : Object.assign({}, ...parts.map((each) => resolved(each, document)["properties"] ?? {})) as Record<string, Json>;
  if (properties !== undefined) {
    if (depth >= DEEPEST) return "{ … }";
    const lines = Object.entries(properties).map(([name, each]) =>
      `${pad}${JSON.stringify(name)}: ${sketch(each, document, depth + 1)}`
    );
    return `{\n${lines.join(",\n")}\n${"  ".repeat(depth)}}`;
  }
  if (here["type"] === "array") return `[${sketch((here["items"] ?? {}) as Json, document, depth)}]`;
  if ("const" in here) return JSON.stringify(here["const"]);
  const choices = here["enum"] as readonly unknown[] | undefined;
  if (choices !== undefined) return choices.map((each) => JSON.stringify(each)).join(" | ");
  const type = here["type"], format = here["format"] === "date-time" ? "time" : null;
  return format ?? (Array.isArray(type) ? type.join(" or ") : String(type ?? "anything"));
}

/** What a `$ref` stands for. */
function resolved(schema: Json, document: Json): Json {
  const ref = schema["$ref"];
  if (typeof ref !== "string") return schema;
  let found: unknown = document;
  for (const step of ref.replace(/^#\//, "").split("/")) found = (found as Json | undefined)?.[step];
  return (found ?? {}) as Json;
}

function curl(
  { method, path, value }: Operation,
  { origin, token, document }: { readonly origin: string; readonly token: boolean; readonly document: Json },
): string {
  const url = `${origin}${path.replace(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase())}`;
  const body = bodyOf(value);
  const example = body === null || !/json/.test(body.type) ? null : exampleOf(body.schema, document);
  return [
    "curl",
    ...method === "GET" ? [] : [`-X ${method}`],
    ...token ? ["-H 'Authorization: Bearer TOKEN'"] : [],
    ...body === null ? [] : [`-H 'Content-Type: ${body.type}'`],
    ...example === null ? body === null ? [] : ["--data-binary @FILE"] : [`-d '${example}'`],
    `'${url}'`,
  ].join(" ");
}

function exampleOf(schema: Json, document: Json): string {
  return JSON.stringify(valueOf(schema, document)).replaceAll("'", "'\\''");
}

function valueOf(schema: Json, document: Json, depth = 0): unknown {
  const here = resolved(schema, document);
  const first = ((here["oneOf"] ?? here["anyOf"] ?? here["allOf"]) as readonly Json[] | undefined)?.[0];
  if (first !== undefined) return valueOf(first, document, depth);
  if ("const" in here) return here["const"];
  if ("default" in here) return here["default"];
  const choices = here["enum"] as readonly unknown[] | undefined;
  if (choices !== undefined) return choices[0];
  const properties = here["properties"] as Record<string, Json> | undefined;
  if (properties !== undefined && depth < DEEPEST) {
    const required = (here["required"] ?? []) as readonly string[];
    const names = Object.keys(properties).filter((name) => required.includes(name));
    return Object.fromEntries(names.map((name) => [name, valueOf(properties[name]!, document, depth + 1)]));
  }
  const type = Array.isArray(here["type"]) ? here["type"][0] : here["type"];
  if (type === "integer" || type === "number") return 1;
  if (type === "boolean") return true;
  if (type === "array") return [valueOf((here["items"] ?? {}) as Json, document, depth + 1)];
  return type === "object" ? {} : "…";
}
