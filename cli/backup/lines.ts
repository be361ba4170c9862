/** Text as lines without their ends. Non-job: what stands in them. */

/** Characters of a line: a path has 4,096 octets at most. */
const LONGEST = 65_536;

/** A last line without an end is one too. */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        if (rest.length > LONGEST) throw new RangeError("a line is too long");
        for (const line of lines) controller.enqueue(line);
      },
      flush(controller) {
        if (rest !== "") controller.enqueue(rest);
      },
    });
  }
}
