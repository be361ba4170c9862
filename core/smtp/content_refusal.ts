/** What a fault of the content is answered at its end. Non-job: finding it (content_reader.ts). */
import { reject, type Reply } from "../model/reply.ts";
import type { ContentFault, ContentLimits } from "./content_reader.ts";

export function contentRefusal(fault: ContentFault, { size, header, line }: ContentLimits): Reply<"reject"> {
  switch (fault) {
    case "bare-cr":
      return reject("5.5.2", "Bare CR in the message; lines end with CRLF (RFC 5321 2.3.8)", { reason: "bare CR" });
    case "bare-lf":
      return reject("5.5.2", "Bare LF in the message; lines end with CRLF (RFC 5321 2.3.8)", { reason: "bare LF" });
    case "size":
      return reject("5.3.4", `Message too big, the limit is ${size} octets`, { code: 552, reason: "size limit" });
    case "header":
      return reject("5.3.4", `Header too big, the limit is ${header} octets`, { code: 552, reason: "header limit" });
    case "line":
      return reject("5.6.0", `Line too long, the limit is ${line} octets`, { code: 554, reason: "line limit" });
  }
}
