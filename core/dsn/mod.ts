/** Delivery status notifications: who is told, and the message that tells it (RFC 3461, 3464, 6522, 6533). */
export type { Action, DeliveryEvent, Remote, ReportedMessage, ReportedRecipient } from "./event.ts";
export { type Notification, notifications, type NotifyOptions } from "./notify.ts";
export { type Report, report } from "./report.ts";
