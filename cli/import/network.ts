/** Addresses and networks as other programs write them, in our form. Non-job: whether one may be trusted. */
import { Networks } from "../../core/pipeline/mod.ts";

/** `[::1]/128` as `::1/128`; IPv4 in IPv6 as IPv4. Null for what is no network. */
export function networkIn(text: string): string | null {
  const bare = text.replace(/^\[([^\]]{1,64})\]/, "$1");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?$/i.exec(bare);
  const network = mapped === null
    ? bare
    : mapped[2] === undefined
    ? mapped[1]!
    : `${mapped[1]}/${Number(mapped[2]) - 96}`;
  try {
    new Networks([network]);
    return network;
  } catch {
    return null;
  }
}
