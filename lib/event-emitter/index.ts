export { EventEmitterBridgeModule } from './event-emitter-bridge.module.js';
export type {
  AppendRule,
  EmitRule,
  EventEmitterBridgeOptions,
  EventMetadataValues,
  FromPayload,
} from './event-emitter-bridge-options.js';
