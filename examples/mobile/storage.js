import * as SecureStore from "expo-secure-store";

export const storage = {
  get: () => SecureStore.getItemAsync("refresh_token"),
  set: (value) => SecureStore.setItemAsync("refresh_token", value),
  remove: () => SecureStore.deleteItemAsync("refresh_token"),
};
