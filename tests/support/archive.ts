/** Archives for tests, made to order: also those that no honest program makes. Non-job: being complete. */
import { join, octets } from "./bytes.ts";

type Octets = Uint8Array<ArrayBuffer>;

export interface ZipFile {
  readonly name: string;
  readonly data?: Octets;
  /** As they are to stand there, instead of the truth. */
  readonly claims?: { readonly packed?: number; readonly unpacked?: number };
  /** 0 stored, 8 deflated (default). */
  readonly method?: number;
  /** Bits of the general purpose flags: 1 encrypted, 8 sizes behind the data. */
  readonly flags?: number;
  /** ZIP64 sizes in an extra field. */
  readonly zip64?: { readonly packed: bigint; readonly unpacked: bigint };
}

export async function deflated(data: Octets): Promise<Octets> {
  return await new Response(new Blob([data]).stream().pipeThrough(new CompressionStream("deflate-raw"))).bytes();
}
export async function gzipped(data: Octets): Promise<Octets> {
  return await new Response(new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();
}

const u16 = (...values: number[]): number[] => values.flatMap((value) => [value & 255, value >> 8 & 255]);
const u32 = (...values: number[]): number[] => values.flatMap((value) => u16(value % 65536, Math.floor(value / 65536)));

/** `directory`: names in the central directory where they are not those of the files; null: there is none. */
export async function zipped(files: readonly ZipFile[], directory?: readonly string[] | null): Promise<Octets> {
  const locals: Octets[] = [], centrals: Octets[] = [];
  for (const [index, file] of files.entries()) {
    const { data = octets("x"), method = 8, flags = 0, claims = {}, zip64 } = file;
    const packed = method === 8 ? await deflated(data) : data;
    const name = new TextEncoder().encode(file.name),
      central = new TextEncoder().encode(directory?.[index] ?? file.name);
    const late = (flags & 8) !== 0, sizes = [claims.packed ?? packed.length, claims.unpacked ?? data.length];
    const extra = zip64 ? new Uint8Array(20) : new Uint8Array(0);
    if (zip64) {
      const view = new DataView(extra.buffer);
      view.setUint16(0, 1, true);
      view.setUint16(2, 16, true);
      view.setBigUint64(4, zip64.unpacked, true);
      view.setBigUint64(12, zip64.packed, true);
      sizes.fill(0xffffffff);
    }
    const common = [...u16(flags, method, 0, 0), ...u32(0)];
    locals.push(join(
      octets("PK\x03\x04"),
      Uint8Array.from([...u16(20), ...common, ...u32(...late ? [0, 0] : sizes), ...u16(name.length, extra.length)]),
      name,
      extra,
      packed,
      late ? join(octets("PK\x07\x08"), Uint8Array.from(u32(0, ...sizes))) : new Uint8Array(0),
    ));
    centrals.push(join(
      octets("PK\x01\x02"),
      Uint8Array.from([
        ...u16(20, 20),
        ...common,
        ...u32(...sizes),
        ...u16(central.length, extra.length, 0, 0, 0),
        ...u32(0, 0),
      ]),
      central,
      extra,
    ));
  }
  if (directory === null) return join(...locals);
  const end = Uint8Array.from([...u16(0, 0, files.length, files.length), ...u32(0, 0), ...u16(0)]);
  return join(...locals, ...centrals, octets("PK\x05\x06"), end);
}

/** A ustar archive. `kind`: typeflag, 0 by default. */
export function tarred(
  files: readonly { readonly name: string; readonly data: Octets; readonly kind?: string }[],
): Octets {
  const blocks = files.map(({ name, data, kind = "0" }) => {
    const head = new Uint8Array(512);
    head.set(octets(name).subarray(0, 100));
    head.set(octets(data.length.toString(8).padStart(11, "0")), 124);
    head.set(octets(`${kind}`), 156);
    head.set(octets("ustar\x0000"), 257);
    return join(head, data, new Uint8Array((512 - data.length % 512) % 512));
  });
  return join(...blocks, new Uint8Array(1024));
}
