ALTER ROLE shop SET statement_timeout = '2s';
ALTER ROLE shop SET lock_timeout = '2s';
