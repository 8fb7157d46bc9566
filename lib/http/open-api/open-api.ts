import { Logger } from '@nestjs/common';
import { messageOf } from '../../store/values/error-text.js';
import { HTTP_MODULE } from '../event-store-http-options.js';
import { ENDPOINTS, PARAMETERS, type EndpointDescription } from './open-api-endpoints.js';
import { appendSchema, countSchema, problemSchema, textSchema, type Schema } from './open-api-schemas.js';
import { StreamPageController } from '../controllers/stream-page.controller.js';

type Swagger = typeof import('@nestjs/swagger');

let described: Promise<void> | undefined;

/**
 * Tells `@nestjs/swagger` about the endpoints, when it is installed: `SwaggerModule.createDocument` then finds them.
 *
 * Once in a process, because decorators would pile up; what they say is the same in every application.
 */
export function describeEndpoints(): Promise<void> {
  return (described ??= describe());
}

async function describe(): Promise<void> {
  const swagger = await loadSwagger();
  if (!swagger) return;
  swagger.ApiExcludeController()(StreamPageController);
  for (const controller of new Set(ENDPOINTS.map(([controller]) => controller)))
    swagger.ApiTags('Event store')(controller);
  for (const [{ prototype }, method, endpoint] of ENDPOINTS) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, method)!;
    for (const decorate of decoratorsOf(swagger, endpoint)) decorate(prototype as object, method, descriptor);
  }
}

async function loadSwagger(): Promise<Swagger | undefined> {
  try {
    return await import('@nestjs/swagger');
  } catch (error) {
    const isMissing = /MODULE_NOT_FOUND/.test((error as NodeJS.ErrnoException).code ?? '');
    if (!isMissing) new Logger(HTTP_MODULE).warn(`@nestjs/swagger was not told of the endpoints: ${messageOf(error)}`);
    return undefined;
  }
}

function decoratorsOf(swagger: Swagger, endpoint: EndpointDescription): MethodDecorator[] {
  const {
    summary,
    description,
    path = [],
    takes = [],
    answers,
    problems = [],
    takesBodyOf,
    hasEtag = false,
  } = endpoint;
  const { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiParam, ApiQuery, ApiResponse } = swagger;
  const headers = hasEtag && { ETag: { description: 'The revision of the stream.', schema: textSchema } };
  return [
    ApiOperation({ summary, ...(description !== undefined && { description }) }),
    ...path.map((name) => ApiParam({ name, schema: name === 'position' ? countSchema : textSchema })),
    ...takes.map((parameter) => {
      const { place, ...options } = PARAMETERS[parameter];
      const optional = { ...options, required: false };
      return place === 'header' ? ApiHeader(optional) : ApiQuery(optional);
    }),
    ...(takesBodyOf ? [ApiConsumes(...takesBodyOf), ApiBody({ required: true, schema: appendSchema })] : []),
    ...Object.entries(answers).map(([status, content]) =>
      ApiResponse({
        status: Number(status),
        description: summary,
        content: contentOf(content),
        ...(headers && { headers }),
      }),
    ),
    ...[403, ...problems].map((status) =>
      ApiResponse({
        status,
        description: 'A problem',
        content: contentOf({ 'application/problem+json': problemSchema }),
      }),
    ),
  ];
}

function contentOf(content: Readonly<Record<string, Schema>>): Record<string, { schema: Schema }> {
  return Object.fromEntries(Object.entries(content).map(([media, schema]) => [media, { schema }]));
}
