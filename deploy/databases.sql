-- Run once by the postgres image, as its administrator: a role and databases of their own for tuner and for MLflow.
\set tuner `cut -d: -f5 /run/secrets/tuner_pgpass`
\set mlflow `cut -d: -f5 /run/secrets/mlflow_pgpass`
CREATE ROLE tuner LOGIN PASSWORD :'tuner';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE tuner OWNER tuner;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow;
REVOKE ALL ON DATABASE postgres, tuner, mlflow, mlflow_auth FROM PUBLIC;
