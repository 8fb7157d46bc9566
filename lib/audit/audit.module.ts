import { Module, type DynamicModule } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { EventStoreCoreModule } from '../nest/event-store-core.module.js';
import { withGivenOptions } from '../nest/given-options.js';
import { AuditTrailInterceptor } from './audit-trail.interceptor.js';
import { AuditTrail } from './audit-trail.js';
import { AUDIT, checkAuditOptions, type AuditTrailOptions } from './audit-options.js';
import {
  AUDIT_OPTIONS,
  AUDIT_SETTINGS,
  ConfigurableModuleClass,
  type ASYNC_OPTIONS_TYPE,
  type AuditSettings,
  type OPTIONS_TYPE,
} from './audit.module-definition.js';

/** Keeps who did what in streams of an event store: import it once. */
@Module({
  imports: [EventStoreCoreModule],
  providers: [AuditTrail, AuditTrailInterceptor, { provide: APP_INTERCEPTOR, useExisting: AuditTrailInterceptor }],
  exports: [AuditTrail, AuditTrailInterceptor, AUDIT_SETTINGS],
})
export class AuditTrailModule extends ConfigurableModuleClass {
  /** Audits all handlers, except those with `@SkipAudit()`. @throws {ValidationError} while the application starts */
  static forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return withSettings(super.register(options), true);
  }

  /** As `forRoot`, with options from `useFactory`, `useClass` or `useExisting`. */
  static forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withSettings(given(super.registerAsync(options), 'forRootAsync'), true);
  }

  /** Audits the handlers with `@Audited()`, and no others. @throws {ValidationError} while the application starts */
  static override register(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return withSettings(super.register(options), false);
  }

  /** As `register`, with options from `useFactory`, `useClass` or `useExisting`. */
  static override registerAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withSettings(given(super.registerAsync(options), 'registerAsync'), false);
  }
}

function given(definition: DynamicModule, method: 'forRootAsync' | 'registerAsync'): DynamicModule {
  return withGivenOptions(definition, AUDIT_OPTIONS, AUDIT, method);
}

function withSettings(definition: DynamicModule, auditsAll: boolean): DynamicModule {
  const settings = {
    provide: AUDIT_SETTINGS,
    useFactory: (options: AuditTrailOptions): AuditSettings => ({ options: checkAuditOptions(options), auditsAll }),
    inject: [AUDIT_OPTIONS],
  };
  // Global, so that a controller anywhere can name the interceptor.
  return { ...definition, global: true, providers: [...(definition.providers ?? []), settings] };
}
