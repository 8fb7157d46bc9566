export { AuditTrail, type AuditQuery } from './audit-trail.js';
export { AuditTrailInterceptor } from './audit-trail.interceptor.js';
export { AuditTrailModule } from './audit.module.js';
export type { AuditedFields, AuditTrailOptions } from './audit-options.js';
export { AUDIT_EVENT_TYPE, type AuditEntry, type AuditFields, type AuditRecord } from './audit-record.js';
export { Audited, SkipAudit, type AuditedOptions } from './audited.decorator.js';
export type { AuditHead, AuditProblem, AuditVerification } from './chain-verification.js';
