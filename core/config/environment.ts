/**
 * The environment: the POSTERN_ variables, which win over the file, and `${NAME}` inside the file's values.
 * A value that came from here is never shown in a message.
 */

/** Every variable that Postern reads by itself. */
export const VARIABLES = {
  POSTERN_CONFIG: "the configuration file, where --config does not name one",
  POSTERN_DATA: "the data folder (`data`)",
  POSTERN_SMTP: "host:port of the first mx listener",
  POSTERN_ADMIN: "host:port of the admin site (`admin.address`)",
  POSTERN_ADMIN_TOKEN: "the admin site's token (`admin.token`)",
  POSTERN_NODE: "this node's name, where several share a database",
  POSTERN_THREADS: "threads that talk SMTP, or auto (`threads`)",
  POSTERN_LOG: "log level: debug, info, warning or error (`log.level`)",
} as const;
export type Variable = keyof typeof VARIABLES;
/** Variables by name; an empty one is as good as none. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An environment that writes down what is looked up in it: whoever reads the same again needs these and no others. */
export function noting(env: Environment): { readonly env: Environment; readonly noted: Record<string, string> } {
  const noted: Record<string, string> = {};
  const note = (name: string | symbol): string | undefined => {
    const value = typeof name === "string" && Object.hasOwn(env, name) ? env[name] : undefined;
    if (value !== undefined) noted[name as string] = value;
    return value;
  };
  const watched = new Proxy(Object.create(null), {
    get: (_, name) => note(name),
    getOwnPropertyDescriptor(_, name) {
      const value = note(name);
      return value === undefined ? undefined : { value, enumerable: true, configurable: true };
    },
  });
  return { env: watched, noted };
}

/** A variable's value; unset and empty are the same. */
export function variable(env: Environment, name: Variable): string | null {
  const value = env[name]?.trim();
  return value === undefined || value === "" ? null : value;
}

export interface Substituted {
  readonly text: string;
  /** What could not be filled in, a sentence each. */
  readonly faults: readonly string[];
  /** Names of the variables whose values now stand in `text`. */
  readonly used: readonly string[];
}

/**
 * Fills in `${NAME}` (unset is a fault) and `${NAME:-default}` (unset or empty is the default). `$${` stands for `${`.
 * What was filled in is not looked at again.
 */
export function substitute(text: string, env: Environment): Substituted {
  const faults: string[] = [], used: string[] = [];
  const filled = text.replace(/(\$?)\$\{([^{}]*)(\}?)/g, (whole, escape: string, inside: string, end: string) => {
    if (escape !== "") return whole.slice(1);
    const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside) ?? [];
    if (name === undefined || end === "") {
      faults.push("write a variable as ${NAME} or ${NAME:-default}, and a plain ${ as $${");
      return "";
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (value === undefined && fallback === undefined) {
      faults.push(`the environment variable ${name} is not set; set it, or write \${${name}:-default}`);
      return "";
    }
    if (value === undefined || (value === "" && fallback !== undefined)) return fallback ?? "";
    used.push(name);
    return value;
  });
  return { text: filled, faults, used };
}
