// The server's memory. Unlike the one it comes with, it forgets nothing by
// itself and says what it saves.

const records = new Map(); // "model id" to payload

const key = (model, id) => `${model} ${id}`;

function firstWhere(model, holds) {
  for (const [name, payload] of records) {
    if (name.startsWith(`${model} `) && holds(payload)) return payload;
  }
  return undefined;
}

// store returns the adapter class. saved is called with model, id and payload
// of what is new.
export function store(saved) {
  return class Adapter {
    constructor(model) {
      this.model = model;
    }

    async upsert(id, payload) {
      const fresh = !records.has(key(this.model, id));
      records.set(key(this.model, id), payload);
      if (fresh) saved(this.model, id, payload);
    }

    async find(id) {
      return records.get(key(this.model, id));
    }

    async findByUid(uid) {
      return firstWhere(this.model, (payload) => payload.uid === uid);
    }

    async findByUserCode(code) {
      return firstWhere(this.model, (payload) => payload.userCode === code);
    }

    async consume(id) {
      records.get(key(this.model, id)).consumed = Math.floor(Date.now() / 1000);
    }

    async destroy(id) {
      records.delete(key(this.model, id));
    }

    async revokeByGrantId(grant) {
      for (const [name, payload] of records) {
        if (name.startsWith(`${this.model} `) && payload.grantId === grant) records.delete(name);
      }
    }
  };
}

// forget removes a record behind the server's back.
export function forget(model, id) {
  records.delete(key(model, id));
}
