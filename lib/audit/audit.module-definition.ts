import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { AuditTrailOptions, CheckedAuditOptions } from './audit-options.js';

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: AUDIT_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<AuditTrailOptions>({ moduleName: 'AuditTrail' })
  .setFactoryMethodName('createAuditTrailOptions')
  .build();

/** The token of the options, checked, and of what the module was imported for. */
export const AUDIT_SETTINGS = Symbol('AUDIT_SETTINGS');

export interface AuditSettings {
  readonly options: CheckedAuditOptions;
  /** Whether handlers without a mark are audited too. */
  readonly auditsAll: boolean;
}
