/** The store that the endpoints are for. */
export const HTTP_STORE = Symbol('HTTP_STORE');

/** The options, checked. */
export const CHECKED_HTTP_OPTIONS = Symbol('CHECKED_HTTP_OPTIONS');

/** The routes, checked. */
export const CHECKED_HTTP_ROUTES = Symbol('CHECKED_HTTP_ROUTES');

/** The files of the page, by name. */
export const PAGE_FILES = Symbol('PAGE_FILES');

/** There when OpenAPI has been told of the endpoints. */
export const DESCRIBED_ENDPOINTS = Symbol('DESCRIBED_ENDPOINTS');
