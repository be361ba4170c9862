/**
 * Writes small databases in the MaxMind DB format 2.0, for tests of what reads them. Says what the format says and shares
 * no line with the reader. Non-job: pointers between equal values, unless `shared` asks for one.
 */

/** What a record may hold here. */
export type MmdbInput =
  | string
  | number
  | bigint
  | boolean
  | { readonly [key: string]: MmdbInput }
  | readonly MmdbInput[];
export interface MmdbOptions {
  readonly type?: string;
  readonly recordSize?: 24 | 28 | 32;
  readonly ipVersion?: 4 | 6;
  /** Write each distinct string once, and pointers to it. */
  readonly shared?: boolean;
}
type Node = [Node | number | null, Node | number | null];

/** `networks`: CIDR -> record; narrower ones behind wider ones. */
export function mmdb(
  networks: Readonly<Record<string, MmdbInput>>,
  options: MmdbOptions = {},
): Uint8Array<ArrayBuffer> {
  const { type = "Test", recordSize = 28, ipVersion = 6, shared = false } = options;
  const writer = new ValueWriter(shared), root: Node = [null, null];
  for (const [network, record] of Object.entries(networks)) {
    const offset = writer.write(record);
    const [ip, length] = network.split("/") as [string, string];
    const four = !ip.includes(":");
    const bits = four && ipVersion === 6 ? [...Array(96).fill(0), ...bitsOf(ip)] : bitsOf(ip);
    insert(root, bits.slice(0, Number(length) + (four && ipVersion === 6 ? 96 : 0)), offset);
  }
  const nodes: Node[] = [], numbers = new Map<Node, number>();
  const visit = (node: Node) => {
    numbers.set(node, nodes.push(node) - 1);
    for (const side of node) if (Array.isArray(side)) visit(side);
  };
  visit(root);
  const pointer = (side: Node | number | null) =>
    side === null ? nodes.length : typeof side === "number" ? nodes.length + 16 + side : numbers.get(side)!;
  const tree = nodes.flatMap(([left, right]) => nodeOctets(pointer(left), pointer(right), recordSize));
  const metadata = new ValueWriter(false);
  metadata.write({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_767_225_600n, // readers want these types of these fields: 64, 32 and 16 bits
    database_type: type,
    description: { en: "A database of a test" },
    ip_version: ipVersion,
    languages: ["en"],
    node_count: nodes.length,
    record_size: recordSize,
  });
  const marker = [0xab, 0xcd, 0xef, ...new TextEncoder().encode("MaxMind.com")];
  return Uint8Array.from([...tree, ...Array(16).fill(0), ...writer.octets, ...marker, ...metadata.octets]);
}

function bitsOf(ip: string): number[] {
  if (!ip.includes(":")) return ip.split(".").flatMap((octet) => binary(Number(octet), 8));
  const [head = "", tail] = ip.split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":");
  const front = groups(head), back = groups(tail ?? "");
  const all = tail === undefined ? front : [...front, ...Array(8 - front.length - back.length).fill("0"), ...back];
  return all.flatMap((group) => binary(parseInt(group, 16), 16));
}
const binary = (value: number, width: number) => [...value.toString(2).padStart(width, "0")].map(Number);

function insert(root: Node, bits: readonly number[], value: number): void {
  let node = root;
  bits.forEach((bit, at) => {
    if (at === bits.length - 1) node[bit] = value;
    else {
      const below = node[bit]!;
      node = Array.isArray(below) ? below : node[bit] = [below, below]; // what was there holds for both halves
    }
  });
}

function nodeOctets(left: number, right: number, size: 24 | 28 | 32): number[] {
  const octets = (value: number, count: number) => big(value, count);
  if (size === 24) return [...octets(left, 3), ...octets(right, 3)];
  if (size === 32) return [...octets(left, 4), ...octets(right, 4)];
  const [leftHigh, ...leftLow] = octets(left, 4) as [number, ...number[]];
  const [rightHigh, ...rightLow] = octets(right, 4) as [number, ...number[]];
  return [...leftLow, leftHigh << 4 | rightHigh, ...rightLow];
}
const big = (value: number, count: number) =>
  Array.from({ length: count }, (_, i) => Math.floor(value / 256 ** (count - 1 - i)) % 256);

class ValueWriter {
  readonly octets: number[] = [];
  readonly #strings = new Map<string, number>();

  constructor(readonly shared: boolean) {}

  /** Returns where it begins. */
  write(value: MmdbInput): number {
    const start = this.octets.length;
    this.#value(value);
    return start;
  }

  /** `name`: of the field that it is. */
  #value(value: MmdbInput, name = ""): void {
    if (typeof value === "string") return this.#string(value);
    if (typeof value === "boolean") return this.#control(14, value ? 1 : 0);
    if (typeof value === "bigint") {
      this.#control(9, 8);
      this.octets.push(...big(Number(value), 8));
    } else if (typeof value === "number") {
      if (!Number.isInteger(value) || value < 0) {
        this.#control(3, 8);
        const view = new DataView(new ArrayBuffer(8));
        view.setFloat64(0, value);
        this.octets.push(...new Uint8Array(view.buffer));
        return;
      }
      const size = value === 0 ? 0 : Math.ceil((Math.floor(Math.log2(value)) + 1) / 8);
      this.#control(name === "node_count" ? 6 : size <= 2 ? 5 : size <= 4 ? 6 : 9, size);
      this.octets.push(...big(value, size));
    } else if (Array.isArray(value)) {
      this.#control(11, value.length);
      for (const each of value) this.#value(each);
    } else {
      const entries = Object.entries(value);
      this.#control(7, entries.length);
      for (const [name, each] of entries) {
        this.#string(name);
        this.#value(each, name);
      }
    }
  }

  #string(text: string): void {
    const known = this.shared ? this.#strings.get(text) : undefined;
    if (known !== undefined) {
      if (known < 2048) this.octets.push(0b001_00_000 | known >> 8, known & 255);
      else if (known < 526_336) this.octets.push(0b001_01_000 | known - 2048 >> 16, ...big((known - 2048) & 0xffff, 2));
      else this.octets.push(0b001_11_000, ...big(known, 4));
      return;
    }
    this.#strings.set(text, this.octets.length);
    const encoded = new TextEncoder().encode(text);
    this.#control(2, encoded.length);
    this.octets.push(...encoded);
  }

  #control(type: number, size: number): void {
    const [bits, more] = size < 29
      ? [size, []]
      : size < 285
      ? [29, big(size - 29, 1)]
      : size < 65_821
      ? [30, big(size - 285, 2)]
      : [31, big(size - 65_821, 3)];
    if (type < 8) this.octets.push(type << 5 | bits);
    else this.octets.push(bits, type - 7);
    this.octets.push(...more);
  }
}
