import { describe, expect, it } from 'vitest';
import { EventStreamParser } from './sse.ts';

describe('EventStreamParser', () => {
  it('gives each event once its empty line has come', () => {
    const parser = new EventStreamParser();
    expect(parser.push('event: snapshot\ndata: {"a":1}\n')).toEqual([]);
    expect(parser.push('\n')).toEqual([{ event: 'snapshot', data: '{"a":1}' }]);
  });

  it('does not care where chunks end', () => {
    const text = ': hello\r\n\r\nevent: snapshot\r\ndata: one\r\ndata: two\r\n\r\ndata:three\n\n';
    for (let size = 1; size <= text.length; size++) {
      const parser = new EventStreamParser();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
      expect(events).toEqual([
        { event: 'snapshot', data: 'one\ntwo' },
        { event: 'message', data: 'three' },
      ]);
    }
  });

  it('passes over comments and fields it does not know', () => {
    expect(new EventStreamParser().push(': keep-alive\n\nid: 7\nretry: 10\nevent: x\n\n')).toEqual([]);
  });
});
