import { on, reject } from "postern";

export default on("mail", () => reject("5.7.1", "No mail today"));
