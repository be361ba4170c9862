/** The systems that a binary can be made for, in Deno's own words. Non-job: making one (joined.ts, compile.ts). */

/** Systems that the launcher knows: glibc on both. */
export const TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] as const;
export type Target = (typeof TARGETS)[number];

/** e_machine of an ELF file. */
const MACHINES: Readonly<Record<number, Target>> = { 62: TARGETS[0], 183: TARGETS[1] };

/** Which system a program is for; null for what is no such ELF file. */
export function targetOf(program: Uint8Array<ArrayBuffer>): Target | null {
  if (program.length < 64) return null;
  const view = new DataView(program.buffer, program.byteOffset);
  const elf64 = view.getUint32(0) === 0x7f454c46 && program[4] === 2 && program[5] === 1;
  return elf64 ? MACHINES[view.getUint16(18, true)] ?? null : null;
}

/** Whether a program can be mapped at any address, as the launcher does. */
export function movable(program: Uint8Array<ArrayBuffer>): boolean {
  return new DataView(program.buffer, program.byteOffset).getUint16(16, true) === 3; // ET_DYN
}
