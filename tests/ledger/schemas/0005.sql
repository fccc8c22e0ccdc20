BEGIN TRANSACTION;
CREATE TABLE acceptances (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	at DOUBLE NOT NULL, 
	changes JSON NOT NULL, 
	CONSTRAINT pk_acceptances PRIMARY KEY (sweep, at), 
	CONSTRAINT fk_acceptances FOREIGN KEY(sweep) REFERENCES sweeps ("key")
);
INSERT INTO "acceptances" VALUES(1,8,9.5,'["torch: 2.12 -> 2.13"]');
CREATE TABLE attempts (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DOUBLE NOT NULL, resume_step BIGINT DEFAULT '0' NOT NULL, pause_step BIGINT, 
	CONSTRAINT pk_attempts PRIMARY KEY (sweep, seq), 
	CONSTRAINT uq_attempts UNIQUE (sweep, trial, attempt), 
	CONSTRAINT fk_attempts FOREIGN KEY(sweep, trial) REFERENCES trials (sweep, trial)
);
INSERT INTO "attempts" VALUES(1,1,0,0,2.0,0,NULL);
INSERT INTO "attempts" VALUES(1,5,0,1,6.0,0,NULL);
CREATE TABLE checkpoints (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	step BIGINT NOT NULL, 
	path TEXT NOT NULL, 
	CONSTRAINT pk_checkpoints PRIMARY KEY (sweep, seq), 
	CONSTRAINT uq_checkpoints UNIQUE (sweep, trial, attempt, step), 
	CONSTRAINT fk_checkpoints FOREIGN KEY(sweep, trial, attempt) REFERENCES attempts (sweep, trial, attempt)
);
CREATE TABLE deliveries (
	sweep INTEGER NOT NULL, 
	place TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	CONSTRAINT pk_deliveries PRIMARY KEY (sweep, place), 
	CONSTRAINT fk_deliveries FOREIGN KEY(sweep) REFERENCES sweeps ("key")
);
INSERT INTO "deliveries" VALUES(1,'mlflow http://there',5);
CREATE TABLE firings (
	schedule INTEGER NOT NULL, 
	due_at DOUBLE NOT NULL, 
	decision VARCHAR(16) NOT NULL, 
	decided_at DOUBLE NOT NULL, 
	sweep INTEGER, 
	note TEXT NOT NULL, 
	told_at DOUBLE, 
	told TEXT, 
	CONSTRAINT pk_firings PRIMARY KEY (schedule, due_at), 
	CONSTRAINT fk_firings FOREIGN KEY(schedule) REFERENCES schedules ("key"), 
	CONSTRAINT fk_firings_sweep FOREIGN KEY(sweep) REFERENCES sweeps ("key"), 
	CONSTRAINT uq_firings UNIQUE (sweep), 
	CONSTRAINT ck_firings_decision CHECK (decision IN ('queued', 'skipped', 'missed', 'refused'))
);
INSERT INTO "firings" VALUES(1,1.0,'queued',1.0,1,'sgd won',9.5,'');
CREATE TABLE jobs (
	sweep INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	target TEXT NOT NULL, 
	place TEXT, 
	runner JSON, 
	asked VARCHAR(16), 
	runs INTEGER NOT NULL, 
	losses INTEGER NOT NULL, 
	created_at DOUBLE NOT NULL, 
	started_at DOUBLE, 
	ended_at DOUBLE, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (sweep), 
	CONSTRAINT fk_jobs FOREIGN KEY(sweep) REFERENCES sweeps ("key"), 
	CONSTRAINT ck_jobs_state CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')), 
	CONSTRAINT ck_jobs_asked CHECK (asked IN ('cancel', 'pause'))
);
INSERT INTO "jobs" VALUES(1,'ada',5,'done','local',NULL,NULL,NULL,1,0,1.0,1.5,9.0,'');
CREATE TABLE losses (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_losses PRIMARY KEY (sweep, seq), 
	CONSTRAINT uq_losses UNIQUE (sweep, trial, attempt), 
	CONSTRAINT fk_losses FOREIGN KEY(sweep, trial, attempt) REFERENCES attempts (sweep, trial, attempt)
);
INSERT INTO "losses" VALUES(1,4,0,0,5.0,'worker died');
CREATE TABLE outcomes (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	step BIGINT NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	"values" JSON NOT NULL, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_outcomes PRIMARY KEY (sweep, seq), 
	CONSTRAINT ck_outcomes_outcome CHECK (outcome IN ('completed', 'pruned', 'diverged', 'failed')), 
	CONSTRAINT uq_outcomes UNIQUE (sweep, trial), 
	CONSTRAINT fk_outcomes FOREIGN KEY(sweep, trial, attempt) REFERENCES attempts (sweep, trial, attempt)
);
INSERT INTO "outcomes" VALUES(1,8,0,1,9.0,100,'completed','{"accuracy":0.75}','');
CREATE TABLE pauses (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	step BIGINT NOT NULL, 
	"values" JSON NOT NULL, 
	CONSTRAINT pk_pauses PRIMARY KEY (sweep, seq), 
	CONSTRAINT uq_pauses UNIQUE (sweep, trial, attempt), 
	CONSTRAINT fk_pauses FOREIGN KEY(sweep, trial, attempt) REFERENCES attempts (sweep, trial, attempt)
);
CREATE TABLE reports (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	step BIGINT NOT NULL, 
	metrics JSON NOT NULL, 
	CONSTRAINT pk_reports PRIMARY KEY (sweep, seq), 
	CONSTRAINT uq_reports UNIQUE (sweep, trial, attempt, step), 
	CONSTRAINT fk_reports FOREIGN KEY(sweep, trial, attempt) REFERENCES attempts (sweep, trial, attempt)
);
INSERT INTO "reports" VALUES(1,3,0,0,4.0,50,'{"accuracy":0.5}');
INSERT INTO "reports" VALUES(1,7,0,1,8.0,50,'{"accuracy":0.5}');
CREATE TABLE schedules (
	"key" INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	cron TEXT NOT NULL, 
	zone TEXT NOT NULL, 
	spec_text TEXT NOT NULL, 
	source TEXT NOT NULL, 
	folder TEXT, 
	owner TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	target TEXT NOT NULL, 
	overlap VARCHAR(16) NOT NULL, 
	catch_up DOUBLE NOT NULL, 
	webhook TEXT, 
	is_paused BOOLEAN NOT NULL, 
	created_at DOUBLE NOT NULL, 
	decided_until DOUBLE NOT NULL, 
	CONSTRAINT pk_schedules PRIMARY KEY ("key"), 
	CONSTRAINT uq_schedules UNIQUE (name), 
	CONSTRAINT ck_schedules_overlap CHECK (overlap IN ('skip', 'queue', 'replace'))
);
INSERT INTO "schedules" VALUES(1,'nightly','0 2 * * *','Europe/Berlin','name: digits
','digits.yaml',NULL,'ada',5,'local','skip',3600.0,NULL,0,0.5,1.0);
CREATE TABLE starts (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	worker TEXT NOT NULL, 
	CONSTRAINT pk_starts PRIMARY KEY (sweep, seq), 
	CONSTRAINT uq_starts UNIQUE (sweep, trial, attempt), 
	CONSTRAINT fk_starts FOREIGN KEY(sweep, trial, attempt) REFERENCES attempts (sweep, trial, attempt)
);
INSERT INTO "starts" VALUES(1,2,0,0,3.0,'w');
INSERT INTO "starts" VALUES(1,6,0,1,7.0,'w');
CREATE TABLE sweeps (
	"key" INTEGER NOT NULL, 
	recorded BIGINT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	name TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	repeats INTEGER NOT NULL, 
	objectives JSON NOT NULL, 
	environment JSON NOT NULL, 
	spec JSON NOT NULL, 
	spec_text TEXT NOT NULL, epoch INTEGER DEFAULT '0' NOT NULL, holder JSON, held_since DOUBLE, held_until DOUBLE, 
	CONSTRAINT pk_sweeps PRIMARY KEY ("key"), 
	CONSTRAINT uq_sweeps UNIQUE (id), 
	CONSTRAINT uq_sweeps_number UNIQUE (name, number), 
	CONSTRAINT ck_sweeps_status CHECK (status IN ('running', 'done', 'interrupted', 'failed'))
);
INSERT INTO "sweeps" VALUES(1,8,'running',1.5,9.0,'digits',1,'digits-1',3,1,'[{"metric":"accuracy","direction":"maximize","at":"last"}]','{}','{"workload":"digits"}','name: digits
',1,NULL,NULL,NULL);
CREATE TABLE trials (
	sweep INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	trial INTEGER NOT NULL, 
	params JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	total_steps BIGINT NOT NULL, 
	CONSTRAINT pk_trials PRIMARY KEY (sweep, trial), 
	CONSTRAINT fk_trials FOREIGN KEY(sweep) REFERENCES sweeps ("key")
);
INSERT INTO "trials" VALUES(1,1,0,'{"optimizer":"sgd","sgd.lr":0.1}',7,100);
CREATE TABLE tuner_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT tuner_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "tuner_schema" VALUES('0005');
CREATE INDEX ix_jobs_state ON jobs (state);
COMMIT;
