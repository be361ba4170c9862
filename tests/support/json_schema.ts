/**
 * Whether a value is what a JSON Schema says, as far as the document of the API uses the language (2020-12): and that it
 * holds nothing which the schema does not name. Non-job: schemas of others.
 */
type Schema = Readonly<Record<string, unknown>>;

const UNDERSTOOD = new Set([
  ...["$ref", "type", "description", "format", "enum", "const", "items", "properties", "required", "allOf", "oneOf"],
  ...["additionalProperties", "default", "minimum", "maximum", "maxLength"],
]);

/** Every fault, `place: what`; `root` is the document that references lead into. */
export function faultsIn(value: unknown, schema: unknown, root: unknown): string[] {
  return new Check(root).all(value, [schema as Schema], "$");
}

class Check {
  constructor(readonly root: unknown) {}

  /** All of them hold together: a property is known when one of them names it. */
  all(value: unknown, given: readonly Schema[], at: string): string[] {
    const schemas = given.flatMap((each) => this.flat(each));
    const faults = schemas.flatMap((each) => this.one(value, each, at));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return faults;
    const open = schemas.length === 0 || schemas.every((each) => each["properties"] === undefined);
    for (const [name, inside] of Object.entries(value)) {
      const known = schemas.flatMap((each) => {
        const schema = (each["properties"] as Record<string, Schema> | undefined)?.[name];
        return schema === undefined ? [] : [schema];
      });
      const others = schemas.flatMap(({ additionalProperties: more }) => more === undefined ? [] : [more as Schema]);
      if (known.length > 0) faults.push(...this.all(inside, known, `${at}.${name}`));
      else if (others.length > 0) faults.push(...this.all(inside, others, `${at}.${name}`));
      else if (!open) faults.push(`${at}.${name}: is not in the schema`);
    }
    return faults;
  }

  /** References followed, allOf laid side by side. */
  private flat(schema: Schema): Schema[] {
    for (const key of Object.keys(schema)) {
      if (!UNDERSTOOD.has(key)) throw new Error(`the checker of schemas does not know ${key}`);
    }
    const { $ref, allOf, ...rest } = schema;
    const parts = (allOf as Schema[] | undefined ?? []).flatMap((each) => this.flat(each));
    if (typeof $ref !== "string") return [rest, ...parts];
    let target: unknown = this.root;
    for (const step of $ref.slice(2).split("/")) target = (target as Record<string, unknown>)?.[step];
    if (target === undefined) throw new Error(`${$ref} leads nowhere`);
    return [...this.flat(target as Schema), ...parts];
  }

  private one(value: unknown, schema: Schema, at: string): string[] {
    const faults: string[] = [];
    const { type, format, oneOf, items } = schema;
    if (type !== undefined && ![type].flat().some((each) => isOf(value, each as string))) {
      return [`${at}: ${JSON.stringify(value)?.slice(0, 80)} is no ${[type].flat().join(" or ")}`];
    }
    if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value)) {
      faults.push(`${at}: ${value} is none of those`);
    }
    if ("const" in schema && schema["const"] !== value) faults.push(`${at}: ${value} is not ${schema["const"]}`);
    if (
      format === "date-time" && typeof value === "string" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(value)
    ) {
      faults.push(`${at}: ${value} is no time`);
    }
    if (Array.isArray(oneOf)) {
      const fits = oneOf.filter((each) => this.all(value, [each], at).length === 0).length;
      if (fits !== 1) faults.push(`${at}: fits ${fits} of oneOf`);
    }
    if (Array.isArray(value) && items !== undefined) {
      for (const [index, each] of value.entries()) faults.push(...this.all(each, [items as Schema], `${at}[${index}]`));
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const name of schema["required"] as string[] ?? []) {
        if (!(name in value)) faults.push(`${at}.${name}: is missing`);
      }
    }
    return faults;
  }
}

function isOf(value: unknown, type: string): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "string":
    case "number":
    case "boolean":
      return KINDS[type](value);
    default:
      throw new Error(`the checker of schemas does not know the type ${type}`);
  }
}
const KINDS = {
  string: (value: unknown) => typeof value === "string",
  number: (value: unknown) => typeof value === "number",
  boolean: (value: unknown) => typeof value === "boolean",
};
