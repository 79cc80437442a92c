// The store's tables, version by version: migration N brings a store from version N - 1 to N. What was
// released is never edited; a change is one more entry, and a fixture of the version before it.
// (test: fixtures/)

/** `PRAGMA application_id`: "SRVL". */
export const applicationId = 0x5352564c;

export const migrations: readonly string[] = [
  `CREATE TABLE leases (
     pf_key TEXT NOT NULL,
     vf_index INTEGER NOT NULL,
     pf TEXT NOT NULL,
     address TEXT NOT NULL,
     state TEXT NOT NULL,
     generation INTEGER NOT NULL,
     holder TEXT,
     holder_pid INTEGER,
     pool TEXT,
     boot_id TEXT,
     since_ms INTEGER NOT NULL,
     expires_at_ms INTEGER,
     worker INTEGER,
     reason TEXT NOT NULL,
     evidence TEXT NOT NULL,
     PRIMARY KEY (pf_key, vf_index)
   ) STRICT, WITHOUT ROWID;
   CREATE UNIQUE INDEX one_lease_an_address ON leases (address) WHERE state <> 'free';
   CREATE TABLE history (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     at_ms INTEGER NOT NULL,
     pf_key TEXT NOT NULL,
     vf_index INTEGER NOT NULL,
     pf TEXT NOT NULL,
     address TEXT NOT NULL,
     event TEXT NOT NULL,
     from_state TEXT NOT NULL,
     to_state TEXT NOT NULL,
     generation INTEGER NOT NULL,
     holder TEXT,
     reason TEXT NOT NULL,
     evidence TEXT NOT NULL
   ) STRICT;
   CREATE INDEX history_of_vf ON history (pf_key, vf_index);`,
  `ALTER TABLE leases ADD COLUMN plug TEXT`,
];

export const schemaVersion = migrations.length;
