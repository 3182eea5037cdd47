"""Map the table of users, which :mod:`bench_suite.http` creates and fills."""

from __future__ import annotations

import hashlib
import hmac

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class User(AbstractBaseUser):
    email = models.CharField(max_length=255, unique=True)
    password = models.CharField(max_length=255)
    is_active = models.BooleanField(db_column="active")
    fs_uniquifier = models.CharField(max_length=64, unique=True)
    id = models.AutoField(primary_key=True)

    USERNAME_FIELD = "email"
    objects = BaseUserManager()

    class Meta:
        managed = False
        db_table = "users"

    def check_password(self, raw_password: str) -> bool:
        # As shared.check_password, which needs Flask.
        digest = hashlib.sha256(raw_password.encode()).hexdigest()
        return hmac.compare_digest(self.password, digest)
