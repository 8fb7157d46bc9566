import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, UseFilters } from '@nestjs/common';
import {
  type AggregateResult,
  Aggregates,
  InjectAggregates,
  type UpdateOptions,
} from 'nestjs-stream-store/event-sourcing';
import { Account } from './account.js';
import { ConflictFilter } from './conflict.filter.js';

/** The headers that say how a command is meant. */
interface CommandHeaders {
  /** Names the command: sent again, it is answered as the first time, and not done again. */
  readonly 'idempotency-key'?: string;
  /** The revision that the client has seen: when it is another one by now, the command is refused. */
  readonly 'if-match'?: string;
}

@Controller('accounts')
@UseFilters(ConflictFilter)
export class AccountsController {
  constructor(@InjectAggregates(Account) private readonly accounts: Aggregates<Account>) {}

  @Post(':id')
  async open(@Param('id') id: string, @Body() { owner }: { owner: string }) {
    return shown(await this.accounts.create(id, (account) => account.open(owner)));
  }

  @Post(':id/deposits')
  async deposit(@Param('id') id: string, @Body() { cents }: { cents: number }, @Headers() headers: CommandHeaders) {
    return shown(await this.accounts.update(id, (account) => account.deposit(cents), optionsOf(headers)));
  }

  @Post(':id/withdrawals')
  async withdraw(@Param('id') id: string, @Body() { cents }: { cents: number }, @Headers() headers: CommandHeaders) {
    return shown(await this.accounts.update(id, (account) => account.withdraw(cents), optionsOf(headers)));
  }

  @Delete(':id')
  @HttpCode(204)
  async close(@Param('id') id: string): Promise<void> {
    await this.accounts.update(id, (account) => account.close());
  }

  /** The account as it is; with `revision`, as it was after that event. */
  @Get(':id')
  async show(@Param('id') id: string, @Query('revision') revision?: string) {
    return shown(await (revision === undefined ? this.accounts.get(id) : this.accounts.stateAt(id, Number(revision))));
  }
}

function shown({ state: { owner, cents, isOpen }, revision }: AggregateResult<Account>) {
  return { owner, cents, isOpen, revision };
}

function optionsOf({ 'idempotency-key': commandId, 'if-match': etag }: CommandHeaders): UpdateOptions {
  const expectedRevision = etag === undefined ? undefined : Number(etag.replaceAll('"', ''));
  return { commandId, expectedRevision };
}
