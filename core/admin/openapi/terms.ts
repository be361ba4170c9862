/** The terms that the document of the API is written in: schemas, parameters, answers, operations. Values of JSON. */

export type Json = Record<string, unknown>;

export const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
export const string = (description?: string): Json => ({ type: "string", ...(description && { description }) });
export const integer = (description?: string): Json => ({ type: "integer", ...(description && { description }) });
export const number = (description?: string): Json => ({ type: "number", ...(description && { description }) });
export const boolean = (description?: string): Json => ({ type: "boolean", ...(description && { description }) });
export const array = (items: Json): Json => ({ type: "array", items });
export const nullable = (type: string, description?: string): Json => ({
  type: [type, "null"],
  ...(description && { description }),
});
export const time = (description?: string): Json => ({
  type: "string",
  format: "date-time",
  ...(description && { description }),
});
export const object = (properties: Json, required = Object.keys(properties)): Json => ({
  type: "object",
  properties,
  required,
});
export const query = (name: string, schema: Json, description: string): Json => ({
  name,
  in: "query",
  schema,
  description,
});
export const inPath = (name: string, description: string, schema: Json = string()): Json => ({
  name,
  in: "path",
  required: true,
  schema,
  description,
});
export const content = (type: string, schema: Json): Json => ({ content: { [type]: { schema } } });
export const json = (description: string, schema: Json): Json => ({
  description,
  ...content("application/json", schema),
});

/** An operation: what it answers when all is well, and which problems it can answer. */
export function operation(summary: string, options: {
  readonly tag: string;
  readonly ok: Json;
  readonly parameters?: readonly Json[];
  readonly body?: Json;
  readonly mayBeEmpty?: boolean;
  readonly faults?: readonly number[];
  readonly open?: true;
}): Json {
  const faults = [...new Set([...(options.faults ?? []), ...(options.open ? [] : [401, 403, 429])])].sort();
  return {
    summary,
    tags: [options.tag],
    ...(options.parameters && { parameters: options.parameters }),
    ...(options.body &&
      { requestBody: { required: !options.mayBeEmpty, ...content("application/json", options.body) } }),
    ...(options.open && { security: [] }),
    responses: {
      200: options.ok,
      ...Object.fromEntries(faults.map((status) => [status, { $ref: `#/components/responses/Problem` }])),
    },
  };
}

export const text = (description: string, type: string): Json => ({ description, ...content(type, string()) });
