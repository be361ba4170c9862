/**
 * A message as text and octets, and back: JSON with a few tagged values, and every view or buffer as a part of its own,
 * uncopied. It knows what structured clone knows, less what no message has: no cycles, no RegExp, no streams.
 * Reading is safe against whoever wrote it: data only, no code, no prototypes, bounded depth (docs/decisions/sandbox-process.md).
 * Non-job: octets on a pipe (frames.ts), what a message means (../wire.ts).
 */

/** A message on its way. */
export interface Packed {
  /** JSON; where a value of it has one key `~`, that is a value that JSON has not. */
  readonly text: string;
  /** What `["b", index]` points at. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
}

/** What came is no message. */
export class CodecError extends Error {
  /** Tells it from other errors. */
  override readonly name = "CodecError";
}

/** Objects within objects, at most: more is a cycle, or hostile. */
const DEPTH = 128;
const MARK = "~";
const UNDEFINED = { [MARK]: ["u"] };
/** Views that cross as what they are; others are refused. */
const VIEWS = {
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;
type ViewName = keyof typeof VIEWS;
const ERRORS = { Error, TypeError, RangeError, SyntaxError, EvalError, ReferenceError, URIError } as const;

/**
 * The message as text and parts. Views are not copied: they must not change before they are written.
 *
 * @throws {DOMException} DataCloneError, as postMessage does: a function, a symbol, a promise, a cycle.
 */
export function pack(value: unknown): Packed {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  return { text: JSON.stringify(plain(value, parts, 0)), parts };
}

/** The same value where JSON can have it, else one that stands for it. */
function plain(value: unknown, parts: Uint8Array<ArrayBuffer>[], depth: number): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { [MARK]: ["n", String(value)] };
    case "undefined":
      return UNDEFINED;
    case "bigint":
      return { [MARK]: ["i", value.toString()] };
    case "object":
      return value === null ? null : object(value, parts, depth);
    default:
      throw unclonable(`a ${typeof value}`);
  }
}

function object(value: object, parts: Uint8Array<ArrayBuffer>[], depth: number): unknown {
  if (depth >= DEPTH) throw unclonable(`what is more than ${DEPTH} deep, or a cycle`);
  if (Array.isArray(value)) return list(value, parts, depth + 1);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    return record(value as Record<string, unknown>, parts, depth);
  }
  return special(value, parts, depth);
}

/** Copied only from the first element on that JSON cannot have. */
function list(value: readonly unknown[], parts: Uint8Array<ArrayBuffer>[], depth: number): unknown[] {
  let copy: unknown[] | null = null;
  for (let index = 0; index < value.length; index++) {
    const each = value[index], written = plain(each, parts, depth);
    if (copy === null && written !== each) copy = value.slice(0, index);
    copy?.push(written);
  }
  return copy ?? value as unknown[];
}

function record(value: Readonly<Record<string, unknown>>, parts: Uint8Array<ArrayBuffer>[], depth: number): unknown {
  let copy: Record<string, unknown> | null = null, marked = false;
  for (const key of Object.keys(value)) {
    if (key === MARK) marked = true;
    const each = value[key], written = plain(each, parts, depth + 1);
    if (copy === null && written !== each) copy = { ...value };
    if (copy !== null) copy[key] = written;
  }
  return marked ? { [MARK]: ["o", Object.entries(copy ?? value)] } : copy ?? value;
}

function special(value: object, parts: Uint8Array<ArrayBuffer>[], depth: number): unknown {
  if (ArrayBuffer.isView(value)) {
    const name = Object.prototype.toString.call(value).slice(8, -1);
    if (!Object.hasOwn(VIEWS, name) || !(value.buffer instanceof ArrayBuffer)) throw unclonable(`a ${name}`);
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const index = parts.push(bytes) - 1;
    return { [MARK]: name === "Uint8Array" ? ["b", index] : ["b", index, name] };
  }
  if (value instanceof ArrayBuffer) return { [MARK]: ["b", parts.push(new Uint8Array(value)) - 1, "ArrayBuffer"] };
  if (value instanceof Map) return { [MARK]: ["m", list([...value].flat(), parts, depth + 1)] };
  if (value instanceof Set) return { [MARK]: ["s", list([...value], parts, depth + 1)] };
  if (value instanceof Date) return { [MARK]: ["d", plain(value.getTime(), parts, depth + 1)] };
  if (value instanceof Error) {
    return { [MARK]: ["e", value.name, value.message, String(value.stack ?? "").slice(0, 4096)] };
  }
  if (
    value instanceof RegExp || value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet ||
    value instanceof WeakRef || value instanceof ReadableStream || value instanceof MessagePort
  ) throw unclonable(`a ${value.constructor.name}`);
  return record({ ...value as Record<string, unknown> }, parts, depth); // of a class: its own fields
}

function unclonable(what: string): DOMException {
  return new DOMException(`${what} cannot be cloned`, "DataCloneError");
}

/**
 * The message again. Its octets are the parts themselves.
 *
 * @throws {CodecError} when it is none.
 */
export function unpack({ text, parts }: Packed): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CodecError("not JSON");
  }
  return typeof value === "object" && value !== null ? revive(value, [...parts], 0) : value;
}

/** Parts that nothing has pointed at yet. */
type Unused = (Uint8Array<ArrayBuffer> | undefined)[];

/** In place: what JSON.parse made is nobody else's. */
function revive(value: object, parts: Unused, depth: number): unknown {
  if (depth > 2 * DEPTH) throw new CodecError("too deep");
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const each = value[index];
      if (typeof each === "object" && each !== null) value[index] = revive(each, parts, depth + 1);
    }
    return value;
  }
  const fields = value as Record<string, unknown>;
  for (const key in fields) {
    if (key === MARK) return tagged(fields[key], parts, depth);
    if (key === "__proto__") throw new CodecError("a key that would be a prototype");
    const each = fields[key];
    if (typeof each === "object" && each !== null) {
      const revived = revive(each, parts, depth + 1);
      if (revived !== each) fields[key] = revived;
    }
  }
  return fields;
}

function tagged(value: unknown, parts: Unused, depth: number): unknown {
  if (!Array.isArray(value)) throw new CodecError("a mark without a value");
  const [tag, first, second, third] = value as [unknown, unknown, unknown, unknown];
  switch (tag) {
    case "u":
      return undefined;
    case "n":
      return number(first);
    case "i":
      if (typeof first !== "string" || !/^-?\d{1,400}$/.test(first)) throw new CodecError("no integer");
      return BigInt(first);
    case "d":
      return new Date(typeof first === "number" ? first : NaN);
    case "b":
      return octets(first, second ?? "Uint8Array", parts);
    case "m":
      return new Map(pairs(revived(first, parts, depth)));
    case "s":
      return new Set(revived(first, parts, depth));
    case "o":
      return Object.fromEntries(
        revived(first, parts, depth).map((each) => {
          if (!Array.isArray(each) || typeof each[0] !== "string" || each[0] === "__proto__") {
            throw new CodecError("no field");
          }
          return [each[0], each[1]];
        }),
      );
    case "e":
      return error(first, second, third);
    default:
      throw new CodecError("an unknown mark");
  }
}

function revived(value: unknown, parts: Unused, depth: number): unknown[] {
  if (!Array.isArray(value)) throw new CodecError("no list behind a mark");
  return revive(value, parts, depth + 1) as unknown[];
}

function pairs(flat: readonly unknown[]): [unknown, unknown][] {
  const found: [unknown, unknown][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) found.push([flat[index], flat[index + 1]]);
  return found;
}

function number(word: unknown): number {
  const known: Readonly<Record<string, number>> = { NaN, Infinity, "-Infinity": -Infinity, "0": -0 };
  if (typeof word !== "string" || !Object.hasOwn(known, word)) throw new CodecError("no number");
  return known[word]!;
}

/** Each part once: a short text must not make many copies of a long part. */
function octets(index: unknown, name: unknown, parts: Unused): unknown {
  const bytes = typeof index === "number" ? parts[index] : undefined;
  if (bytes === undefined) throw new CodecError("no such part, or one that was used");
  parts[index as number] = undefined;
  if (name === "Uint8Array") return bytes;
  const own = bytes.slice().buffer; // aligned, and of exactly this length
  if (name === "ArrayBuffer") return own;
  if (typeof name !== "string" || !Object.hasOwn(VIEWS, name)) throw new CodecError("no such view");
  const View = VIEWS[name as ViewName];
  if (own.byteLength % View.BYTES_PER_ELEMENT !== 0) throw new CodecError("a view of part of an element");
  return new View(own);
}

function error(name: unknown, message: unknown, stack: unknown): Error {
  if (typeof name !== "string" || typeof message !== "string" || typeof stack !== "string") {
    throw new CodecError("no error");
  }
  const made = new (Object.hasOwn(ERRORS, name) ? ERRORS[name as keyof typeof ERRORS] : Error)(message);
  if (made.name !== name) made.name = name;
  made.stack = stack;
  return made;
}
