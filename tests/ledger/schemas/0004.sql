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
INSERT INTO "tuner_schema" VALUES('0004');
COMMIT;
