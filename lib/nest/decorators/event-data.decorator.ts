import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import type { RecordedEvent } from '../../store/values/event.js';

type Pipes = (Type<PipeTransform> | PipeTransform)[];

const memberOf = (value: unknown, member: string | undefined): unknown =>
  member === undefined ? value : (value as Record<string, unknown> | null)?.[member];

const data = createParamDecorator((member: string | undefined, context: ExecutionContext) =>
  memberOf(context.getArgByIndex<RecordedEvent>(0).data, member),
);

const metadata = createParamDecorator((member: string | undefined, context: ExecutionContext) =>
  memberOf(context.getArgByIndex<RecordedEvent>(0).metadata, member),
);

/** The data of the event, or one member of it; pipes apply. */
export function EventData(...pipes: Pipes): ParameterDecorator;
export function EventData(member: string, ...pipes: Pipes): ParameterDecorator;
export function EventData(...args: [string?, ...Pipes] | Pipes): ParameterDecorator {
  return data(...(args as [string?, ...Pipes]));
}

/** The metadata of the event, or one member of it; pipes apply. */
export function EventMetadata(...pipes: Pipes): ParameterDecorator;
export function EventMetadata(member: string, ...pipes: Pipes): ParameterDecorator;
export function EventMetadata(...args: [string?, ...Pipes] | Pipes): ParameterDecorator {
  // Nest tells a pipe that stands first from a member.
  return metadata(...(args as [string?, ...Pipes]));
}
