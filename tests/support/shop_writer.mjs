// Random changes of three tables of a MariaDB server, in transactions, with a client that starts anew when the server goes away.
/** Numbers that look random and are the same in each run. */
function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export const shopTables = `CREATE TABLE customers (id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80) NOT NULL, credit DECIMAL(12,2), level ENUM('new','good','best') NOT NULL DEFAULT 'new', tags SET('a','b','c'));
  CREATE TABLE orders (id BIGINT PRIMARY KEY, customer INT UNSIGNED, placed DATETIME(3) NOT NULL, status VARCHAR(20) CHARACTER SET latin1, note TEXT);
  CREATE TABLE lines_ (order_id BIGINT, line SMALLINT, product VARCHAR(15), quantity INT, price DECIMAL(10,4), PRIMARY KEY (order_id, line));`;

export class ShopWriter {
  constructor(db, database, seed = 1) {
    Object.assign(this, { db, database, next: random(seed), changes: 0, lastOrder: 0, refused: 0 });
  }

  /** Statements of one transaction, a few changes in it. */
  transaction() {
    const r = this.next;
    const out = ['BEGIN'];
    for (let i = 1 + r(6); i > 0; --i) {
      const id = 1 + r(400);
      const order = 1 + r(Math.max(1, this.lastOrder));
      const kind = r(12);
      ++this.changes;
      if (kind < 3) {
        ++this.lastOrder;
        out.push(`INSERT IGNORE INTO orders VALUES (${this.lastOrder}, ${id}, '2024-0${1 + r(9)}-1${r(9)} 12:00:00.${r(900) + 100}', '${['neu', 'bezahlt', 'zurück'][r(3)]}', ${r(4) ? `'note ${r(1000)} 🐘'` : 'NULL'})`);
        out.push(`REPLACE INTO lines_ VALUES (${this.lastOrder}, 1, 'S10_${r(99)}', ${r(50)}, ${r(99999)} / 100), (${this.lastOrder}, 2, 'S18_${r(99)}', ${r(50)}, NULL)`);
        this.changes += 2;
      } else if (kind < 5) out.push(`REPLACE INTO customers VALUES (${id}, 'Name ${r(10000)} é', ${r(2) ? r(1e6) / 100 : 'NULL'}, ${1 + r(3)}, ${r(8)})`);
      else if (kind < 7) out.push(`UPDATE orders SET status = '${['neu', 'bezahlt', 'zurück'][r(3)]}', note = NULL WHERE id = ${order}`);
      else if (kind < 8) out.push(`UPDATE lines_ SET quantity = quantity + 1 WHERE order_id BETWEEN ${order} AND ${order + 3}`);
      else if (kind < 9) out.push(`DELETE FROM lines_ WHERE order_id = ${order}`);
      else if (kind < 10) out.push(`DELETE FROM orders WHERE id = ${order}`);
      else if (kind < 11) out.push(`UPDATE IGNORE orders SET id = id + 1000000 WHERE id = ${order}`);  // another key
      else out.push(`DELETE FROM customers WHERE id = ${id}`);
    }
    out.push(r(20) ? 'COMMIT' : 'ROLLBACK');
    return out.join(';\n') + ';\n';
  }

  /** Go on, about so many changes a second, until `stopped` is set. */
  async writeOn(perSecond) {
    const began = Date.now();
    const before = this.changes;
    while (!this.stopped) {
      await this.write(Math.max(100, perSecond / 10));
      const early = ((this.changes - before) / perSecond) * 1000 - (Date.now() - began);
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    }
  }

  /** Make so many changes; what was under way when the server went is lost or not, as it happens. */
  async write(changes) {
    const until = this.changes + changes;
    while (this.changes < until && !this.stopped) {
      const statements = [];
      while (statements.length < 60 && this.changes < until) statements.push(this.transaction());
      try {
        await this.db.sql(statements.join(''), { database: this.database });
      } catch {
        ++this.refused;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}
