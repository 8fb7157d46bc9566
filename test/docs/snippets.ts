import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { codeBlocks, REPOSITORY, type CodeBlock, type Page } from './markdown.js';

/** What a snippet may use without showing the import, as the reader knows where it comes from. */
const NAMES_OF_NEST = ['Controller', 'Get', 'Inject', 'Injectable', 'Logger', 'Module'];

/**
 * Type-checks every `ts` block of the pages, all in one TypeScript program and with the settings of the repository.
 *
 * A block is a module of its own. It need not import what this package or `@nestjs/common` exports, and it can use what
 * the comment `<!-- given: declare const store: EventStore; -->` before it declares.
 *
 * @returns the problems, each as `docs/append.md:12: what is wrong`
 */
export function checkSnippets(pages: readonly Page[]): string[] {
  const snippets = new Map<string, Snippet>();
  for (const page of pages) {
    for (const block of codeBlocks(page)) {
      if (block.language !== 'ts') continue;
      const snippet = new Snippet(page.file, block);
      snippets.set(snippet.path, snippet);
    }
  }
  const options = compilerOptions();
  const program = ts.createProgram([...snippets.keys()], options, hostOf(snippets, options));
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n');
    const snippet = diagnostic.file && snippets.get(diagnostic.file.fileName);
    if (!snippet) return `${diagnostic.file?.fileName ?? 'TypeScript'}: ${message}`;
    const { line } = diagnostic.file!.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
    return `${snippet.file}:${snippet.lineInPage(line)}: ${message}`;
  });
}

/** A block as a TypeScript file, which exists in this program only. */
class Snippet {
  readonly path: string;
  readonly source: string;
  readonly #hiddenLines: number;

  constructor(
    readonly file: string,
    private readonly block: CodeBlock,
  ) {
    this.path = join(REPOSITORY, `${file}.${block.line}.ts`);
    const hidden = `${assumedImports(`${block.given}\n${block.code}`)} export {};\n${block.given}\n`;
    this.#hiddenLines = hidden.split('\n').length - 1;
    this.source = hidden + block.code;
  }

  /** @param line in `source`, from 0 */
  lineInPage(line: number): number {
    return this.block.line + Math.max(0, line - this.#hiddenLines);
  }
}

function assumedImports(code: string): string {
  const imported = [...code.matchAll(/^import (?:type )?\{(.*?)\}/gms)].flatMap(([, names]) => wordsOf(names));
  const mentioned = new Set(wordsOf(code).filter((word) => !imported.includes(word)));
  const importOf = (names: readonly string[], module: string): string =>
    `import { ${names.filter((name) => mentioned.has(name)).join(', ')} } from '${module}';`;
  return importOf(namesOfThePackage(), 'nestjs-stream-store') + importOf(NAMES_OF_NEST, '@nestjs/common');
}

function wordsOf(code: string): string[] {
  return code.match(/\w+/g) ?? [];
}

function namesOfThePackage(): string[] {
  const index = ts.createSourceFile(
    'index.ts',
    readFileSync(join(REPOSITORY, 'lib/index.ts'), 'utf8'),
    ts.ScriptTarget.Latest,
  );
  return index.statements.flatMap((statement) => {
    const clause = ts.isExportDeclaration(statement) ? statement.exportClause : undefined;
    return clause && ts.isNamedExports(clause) ? clause.elements.map(({ name }) => name.text) : [];
  });
}

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(REPOSITORY, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, REPOSITORY);
  // A snippet shows how something is declared without using it; and some of its hidden imports are types.
  return { ...options, noUnusedLocals: false, noUnusedParameters: false, isolatedModules: false };
}

function hostOf(snippets: ReadonlyMap<string, Snippet>, options: ts.CompilerOptions): ts.CompilerHost {
  const onDisk = ts.createCompilerHost(options);
  return {
    ...onDisk,
    fileExists: (path) => snippets.has(path) || onDisk.fileExists(path),
    readFile: (path) => snippets.get(path)?.source ?? onDisk.readFile(path),
    getSourceFile: (path, languageVersion, ...rest) => {
      const snippet = snippets.get(path);
      if (!snippet) return onDisk.getSourceFile(path, languageVersion, ...rest);
      return ts.createSourceFile(path, snippet.source, languageVersion);
    },
  };
}
