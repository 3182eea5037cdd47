CREATE ROLE shop LOGIN PASSWORD 'change me';
CREATE ROLE shop_owner LOGIN PASSWORD 'change me too';
CREATE SCHEMA auth AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA auth TO shop;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA auth
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO shop;
ALTER ROLE shop SET search_path = auth;
ALTER ROLE shop_owner SET search_path = auth;
