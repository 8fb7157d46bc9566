/** Where the files of the page lie. */
export declare const PAGE_DIRECTORY: string;
